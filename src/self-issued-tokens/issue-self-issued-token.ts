import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import type { PlatformHolder } from '../domain/holder.js';
import { MAX_PAYLOAD_BYTES } from '../domain/lint-service-token-claims.js';
import {
  resolveSelfIssuedScopes,
  type SelfIssuedSubject,
} from '../domain/resolve-self-issued-scopes.js';
import type { SelfIssuedResolution } from '../domain/self-issued-decision.js';
import {
  type ExtraClaims,
  selfIssuedTokenClaims,
  type SelfIssuedTokenClaims,
} from '../domain/self-issued-token-claims.js';
import { uuidV7 } from '../domain/uuid-v7.js';
import { Deadline, databaseDeadlineMs } from '../database/deadline.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { IssuancePolicy } from '../token-issuance/issuance-policy.js';
import { SignAndRecord, type TokenDraft } from '../token-issuance/sign-and-record.js';
import { SelfIssuedSubjectRepository } from './self-issued-subject.repository.js';

/** What the platform asks for. */
export interface SelfIssuedRequest {
  readonly for: PlatformHolder;
  /** The unit primitives that the token is wanted for; null: all. */
  readonly unitPrimitives: readonly string[] | null;
  readonly extraClaims: ExtraClaims;
  readonly at: Date;
}

export interface SelfIssuedToken {
  /** A compact JWS. */
  readonly token: string;
  readonly expiresAt: Date;
  readonly scopes: readonly string[];
}

interface Grant {
  readonly instanceId: string;
  readonly resolution: SelfIssuedResolution;
  readonly deadline: Deadline;
}

/** A short-lived token for one request of the platform, for one of its users or namespaces. */
@Injectable()
export class IssueSelfIssuedToken {
  constructor(
    private readonly subjects: SelfIssuedSubjectRepository,
    private readonly catalog: CatalogStore,
    private readonly policy: IssuancePolicy,
    private readonly signAndRecord: SignAndRecord,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /**
   * Its row is in the ledger before it is returned.
   * @throws {IssuerError} SELF_ISSUED_TOKENS_OFF, VALIDATION_FAILED, NOTHING_TO_GRANT, UNAVAILABLE
   */
  async issue(request: SelfIssuedRequest): Promise<SelfIssuedToken> {
    const deadline = new Deadline(databaseDeadlineMs(this.config.databaseTimeoutMs));
    const instanceId = this.instanceId();
    this.requireKnown(request.unitPrimitives ?? []);
    const resolution = await this.resolve(request);
    if (resolution.scopes.length === 0) throw nothingToGrant(request);

    const grant = { instanceId, resolution, deadline };
    this.requireRoom(request, grant);
    const first = this.draft(request, grant, await this.policy.statusIndex());
    const token = await this.signAndRecord.issue(first, async () =>
      this.draft(request, grant, await this.policy.statusIndex()),
    );
    return { token, expiresAt: first.row.expiresAt, scopes: resolution.scopes };
  }

  private draft(request: SelfIssuedRequest, grant: Grant, statusIndex: number | null): TokenDraft {
    const claims = this.claims(request, grant, statusIndex);
    const payload = Buffer.from(JSON.stringify(claims));
    this.policy.requireSoundSelfIssued(claims, payload, request.at);
    const expiresAt = new Date(claims.exp * 1000);
    const row = {
      ...{
        jti: claims.jti,
        licenseId: null,
        instanceRowId: null,
        gitlabVersion: null,
        hostName: null,
      },
      ...{ resolution: grant.resolution, issuedAt: request.at, expiresAt, statusIndex },
      selfIssued: recordOf(request),
    };
    return { payload, row, deadline: grant.deadline };
  }

  /** Each time with another `jti`. */
  private claims(
    { extraClaims, at }: SelfIssuedRequest,
    { instanceId, resolution }: Grant,
    statusIndex: number | null,
  ): SelfIssuedTokenClaims {
    return selfIssuedTokenClaims(
      instanceId,
      resolution,
      extraClaims,
      this.policy.terms,
      at,
      uuidV7(at, randomBytes(10)),
      statusIndex,
    );
  }

  /**
   * Before a place in a status list is taken. Everything but the extra claims fits, or the catalog would
   * not have been taken.
   */
  private requireRoom(request: SelfIssuedRequest, grant: Grant): void {
    if (Object.keys(request.extraClaims).length === 0) return;
    const longestIndex = this.config.tokenStatusList ? Number.MAX_SAFE_INTEGER : null;
    const claims = this.claims(request, grant, longestIndex);
    if (Buffer.byteLength(JSON.stringify(claims)) <= MAX_PAYLOAD_BYTES) return;
    throw new IssuerError('VALIDATION_FAILED', 'The token would be too large for a header.', {
      errors: [{ pointer: '#/extra_claims', detail: 'must be shorter' }],
    });
  }

  private instanceId(): string {
    const { selfIssuedInstanceId } = this.config;
    if (selfIssuedInstanceId !== null) return selfIssuedInstanceId;
    throw new IssuerError(
      'SELF_ISSUED_TOKENS_OFF',
      'This issuer makes no self-issued tokens: its operator turns them on with ' +
        'SELF_ISSUED_INSTANCE_ID.',
    );
  }

  private requireKnown(wanted: readonly string[]): void {
    const known = new Set(this.catalog.current().catalog.unitPrimitives.map(({ name }) => name));
    const errors = wanted.flatMap((name, index) =>
      known.has(name)
        ? []
        : [{ pointer: `#/unit_primitives/${index}`, detail: `${name} is not in the catalog` }],
    );
    if (errors.length === 0) return;
    const detail = 'The catalog has no unit primitives of these names.';
    throw new IssuerError('VALIDATION_FAILED', detail, { errors });
  }

  private async resolve({
    for: holder,
    unitPrimitives,
    at,
  }: SelfIssuedRequest): Promise<SelfIssuedResolution> {
    const subject: SelfIssuedSubject =
      'userId' in holder
        ? await this.subjects.user(holder.userId)
        : await this.subjects.namespace(holder.namespaceId);
    const wanted = unitPrimitives && new Set(unitPrimitives);
    const { catalog } = this.catalog.current();
    return resolveSelfIssuedScopes(subject, wanted, catalog, at, this.config);
  }
}

/** What the ledger keeps of the request, so that an auditor can make the claims again. */
function recordOf({ for: holder, unitPrimitives, extraClaims }: SelfIssuedRequest): string {
  return JSON.stringify({
    ...('userId' in holder ? { user: holder.userId } : { namespace: holder.namespaceId }),
    ...(unitPrimitives && { unit_primitives: unitPrimitives }),
    ...(Object.keys(extraClaims).length > 0 && { extra_claims: extraClaims }),
  });
}

function nothingToGrant({ for: holder }: SelfIssuedRequest): IssuerError {
  return new IssuerError(
    'NOTHING_TO_GRANT',
    'userId' in holder
      ? 'The user has no seat of an active purchase that grants any of it: GET allowed_to_use says ' +
          'why for one unit primitive.'
      : 'The namespace has no active purchase that grants any of it: GET allowed_to_use says why ' +
          'for one unit primitive.',
  );
}
