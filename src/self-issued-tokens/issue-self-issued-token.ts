import { Inject, Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import type { Catalog } from '../domain/catalog.js';
import { draftToken } from '../domain/draft-token.js';
import type { PlatformHolder } from '../domain/holder.js';
import { MAX_PAYLOAD_BYTES } from '../domain/lint-service-token-claims.js';
import {
  resolveSelfIssuedScopes,
  type SelfIssuedSubject,
} from '../domain/resolve-self-issued-scopes.js';
import type { SelfIssuedResolution } from '../domain/self-issued-decision.js';
import type { ExtraClaims } from '../domain/self-issued-token-claims.js';
import type { TokenIdentity } from '../domain/service-token-claims.js';
import { Deadline, databaseDeadlineMs } from '../database/deadline.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { IssuancePolicy } from '../token-issuance/issuance-policy.js';
import {
  SignAndRecord,
  type SignedToken,
  type TokenToIssue,
} from '../token-issuance/sign-and-record.js';
import { SelfIssuedSubjectRepository } from './self-issued-subject.repository.js';

export interface SelfIssuedRequest {
  readonly for: PlatformHolder;
  /** The unit primitives that the token is for; null: all. */
  readonly unitPrimitives: readonly string[] | null;
  readonly extraClaims: ExtraClaims;
  readonly at: Date;
}

export interface SelfIssuedToken extends SignedToken {
  readonly scopes: readonly string[];
}

/** Issues short-lived tokens to the platform itself, each for one of its users or namespaces. */
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
    requireKnownUnitPrimitives(request.unitPrimitives ?? [], this.catalog.current().catalog);
    const resolution = await this.resolve(request);
    if (resolution.scopes.length === 0) throw nothingToGrant(request);

    const { extraClaims, at } = request;
    const facts = { instanceId, resolution, extraClaims, policy: this.policy, now: at };
    const draft = (identity: TokenIdentity) => draftToken({ ...facts, ...identity });
    this.requireRoom(draft, request);
    const record = {
      licenseId: null,
      instanceRowId: null,
      resolution,
      gitlabVersion: null,
      hostName: null,
      issuedAt: at,
      selfIssued: recordOf(request),
    };
    const signed = await this.signAndRecord.issue({ draft, record, deadline });
    return { ...signed, scopes: resolution.scopes };
  }

  /**
   * Refuses extra claims that make the token too large, before it takes a place in a status list.
   * Without extra claims every token fits: the catalog was checked for that.
   */
  private requireRoom(draft: TokenToIssue['draft'], { extraClaims, at }: SelfIssuedRequest): void {
    if (Object.keys(extraClaims).length === 0) return;
    const statusIndex = this.config.tokenStatusList ? Number.MAX_SAFE_INTEGER : null;
    if (draft({ jti: newId(at), statusIndex }).payload.length <= MAX_PAYLOAD_BYTES) return;
    throw new IssuerError(
      'VALIDATION_FAILED',
      'The token would be too large for a header: send shorter extra claims, or name fewer ' +
        'unit_primitives.',
      {
        errors: [{ pointer: '#/extra_claims', detail: 'must be shorter' }],
      },
    );
  }

  private instanceId(): string {
    const { selfIssuedInstanceId } = this.config;
    if (selfIssuedInstanceId !== null) return selfIssuedInstanceId;
    throw new IssuerError(
      'SELF_ISSUED_TOKENS_OFF',
      'This issuer makes no self-issued tokens: its operator can switch them on with ' +
        'SELF_ISSUED_INSTANCE_ID.',
    );
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

/** @throws {IssuerError} VALIDATION_FAILED for names that the catalog does not have */
export function requireKnownUnitPrimitives(
  wanted: readonly string[],
  { unitPrimitives }: Catalog,
): void {
  const known = new Set(unitPrimitives.map(({ name }) => name));
  const errors = wanted.flatMap((name, index) =>
    known.has(name)
      ? []
      : [{ pointer: `#/unit_primitives/${index}`, detail: `${name} is not in the catalog` }],
  );
  if (errors.length === 0) return;
  const detail =
    'Some of these names are not unit primitives: GET catalog/unit_primitives lists them all.';
  throw new IssuerError('VALIDATION_FAILED', detail, { errors });
}

/** The ledger keeps this, so that an auditor can make the claims again. */
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
      ? 'No seat of the user grants any of these unit primitives: GET allowed_to_use says why for one.'
      : 'No active purchase of the namespace grants any of these unit primitives: GET ' +
          'allowed_to_use says why for one.',
  );
}
