import { Args, Context, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { CatalogStore } from '../catalog/catalog.service.js';
import type { AdmittedRequest } from '../instances/sighting-counts.js';
import type { Deadline } from '../database/deadline.js';
import { Clock } from '../platform/clock.js';
import { Admission, type Sync } from '../token-issuance/admission.js';
import type { HeldLicense } from '../token-issuance/held-license.js';
import { IssueServiceToken } from '../token-issuance/issue-service-token.js';
import {
  AvailableServiceType,
  CloudConnectorAccess,
  JsonScalar,
  ServiceTokenType,
} from './cloud-connector-access.js';
import { EncodedJson } from './encode-answer.js';
import { type SyncHeaders, syncOf } from './sync-request.js';

/** What the GraphQL execution knows of the HTTP request. */
export interface SyncContext {
  readonly headers: SyncHeaders;
  readonly address: string;
  readonly deadline: Deadline;
  /** What came of it as far as no error is thrown: `answered` when no token was asked for. */
  outcome: 'answered' | 'issued' | 'revoked' | 'activation';
  /** The admitted request; missing when it was denied, or when its instance is unknown. */
  admitted?: Omit<AdmittedRequest, 'address'>;
}

interface AdmittedSync {
  readonly sync: Sync;
  readonly held: HeldLicense;
  /** Selected twice under two aliases, it is still one token. */
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
    @Args('gitlabVersion', { type: () => String }) gitlabVersion: string,
    @Context() context: SyncContext,
  ): Promise<AdmittedSync> {
    const at = this.clock.now();
    const request = syncOf({ licenseKey, gitlabVersion }, context.headers, at);
    const sync = { ...request, deadline: context.deadline };
    const held = await this.admission.admit(sync);
    const instanceId = sync.instanceId ?? held.instance?.instanceId;
    if (instanceId !== undefined && !sync.instanceIdInvalid) {
      const { hostName } = sync;
      const licenseId = held.license.id;
      context.admitted = { licenseId, instanceId, hostName, byOldKey: held.byOldKey, at };
    }
    return { sync, held };
  }

  @ResolveField(() => ServiceTokenType, { nullable: true })
  async serviceToken(
    @Parent() admitted: AdmittedSync,
    @Context() context: SyncContext,
  ): Promise<ServiceTokenType | null> {
    admitted.serviceToken ??= this.issue(admitted, context);
    return admitted.serviceToken;
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
    { sync, held }: AdmittedSync,
    context: SyncContext,
  ): Promise<ServiceTokenType | null> {
    const issued = await this.issueServiceToken.issue(sync, held);
    context.outcome = issued === null ? 'revoked' : 'issued';
    return issued && { token: issued.token, expiresAt: issued.expiresAt.toISOString() };
  }
}
