import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { CatalogStore } from '../catalog/catalog.service.js';
import type { AdmittedRequest } from '../instances/sighting-counts.js';
import type { Deadline } from '../database/deadline.js';
import type { RequestSubject } from '../http/request-subject.js';
import { Clock } from '../platform/clock.js';
import type { IssuerErrorCode } from '../platform/issuer-error.js';
import { Admission, type AdmittedSync } from '../token-issuance/admission.js';
import { IssueServiceToken } from '../token-issuance/issue-service-token.js';
import {
  AvailableServiceType,
  CloudConnectorAccess,
  JsonScalar,
  ServiceTokenType,
} from './cloud-connector-access.js';
import { EncodedJson } from './encode-answer.js';
import { type SyncHeaders, syncOf } from './sync-request.js';

/** The HTTP request, as far as the resolvers need it, and the outcome. */
export interface SyncContext {
  readonly headers: SyncHeaders;
  readonly address: string | null;
  readonly deadline: Deadline;
  /** The outcome when no error is thrown; `answered` when no token was asked for. */
  outcome: 'answered' | 'issued' | 'revoked' | 'activation';
  /** For the log. */
  readonly subject: RequestSubject;
  /** The code of a refusal that is part of an answer. */
  refusedWith?: IssuerErrorCode;
  /** Missing when the request was denied, or does not say which instance it is. */
  admitted?: Omit<AdmittedRequest, 'address'>;
}

/** What the fields of one answer share. */
interface Answer {
  readonly admitted: AdmittedSync;
  /** Two aliases of the field share one token. */
  serviceToken?: Promise<ServiceTokenType | null>;
}

@Resolver(() => CloudConnectorAccess)
export class CloudConnectorAccessResolver {
  private readonly catalogJson: EncodedJson;

  constructor(
    private readonly admission: Admission,
    private readonly issueServiceToken: IssueServiceToken,
    private readonly catalogStore: CatalogStore,
    private readonly clock: Clock,
  ) {
    this.catalogJson = new EncodedJson(catalogStore.documentJson());
  }

  @Query(() => CloudConnectorAccess, { nullable: true })
  async cloudConnectorAccess(
    @Args('licenseKey', { type: () => String }) licenseKey: string,
    @Args('gitlabVersion', { type: () => String, nullable: true })
    gitlabVersion: string | null | undefined,
    @Context() context: SyncContext,
  ): Promise<Answer> {
    const at = this.clock.now();
    const request = syncOf(
      { licenseKey, gitlabVersion: gitlabVersion ?? null },
      context.headers,
      at,
    );
    if (request.instanceId !== null) context.subject.instanceUuid = request.instanceId;
    const admitted = await this.admission.admit({ ...request, deadline: context.deadline });
    const { sync, license, instanceId, byPreviousKey } = admitted;
    context.subject.licenseId = license.id;
    if (instanceId !== null) {
      context.subject.instanceUuid = instanceId;
      const { hostName } = sync;
      context.admitted = { licenseId: license.id, instanceId, hostName, byPreviousKey, at };
    }
    return { admitted };
  }

  @ResolveField(() => ServiceTokenType, { nullable: true })
  async serviceToken(
    @Parent() answer: Answer,
    @Context() context: SyncContext,
  ): Promise<ServiceTokenType | null> {
    answer.serviceToken ??= this.issue(answer.admitted, context);
    return answer.serviceToken;
  }

  @ResolveField(() => [AvailableServiceType], { nullable: true })
  availableServices(): AvailableServiceType[] {
    return this.catalogStore.availableServices('self-managed').map((service) => ({
      name: service.name,
      serviceStartTime: service.serviceStartTime?.toISOString() ?? null,
      bundledWith: service.bundledWith,
    }));
  }

  @ResolveField(() => JsonScalar, { nullable: true })
  catalog(): EncodedJson {
    return this.catalogJson;
  }

  private async issue(
    admitted: AdmittedSync,
    context: SyncContext,
  ): Promise<ServiceTokenType | null> {
    const issued = await this.issueServiceToken.issue(admitted);
    context.outcome = issued === null ? 'revoked' : 'issued';
    return issued && { token: issued.token, expiresAt: issued.expiresAt.toISOString() };
  }
}
