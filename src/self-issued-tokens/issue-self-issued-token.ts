import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
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
import type { SelfIssuedFor } from '../token-issuance/self-issued-for.dto.js';
import { SignAndRecord, type TokenDraft } from '../token-issuance/sign-and-record.js';
import { SelfIssuedSubjectRepository } from './self-issued-subject.repository.js';

/** What the platform asks for. */
export interface SelfIssuedOrder {
  readonly for: SelfIssuedFor;
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
  async issue(order: SelfIssuedOrder): Promise<SelfIssuedToken> {
    const deadline = new Deadline(databaseDeadlineMs(this.config.databaseTimeoutMs));
    const instanceId = this.instanceId();
    this.requireKnown(order.unitPrimitives ?? []);
    const resolution = await this.resolve(order);
    if (resolution.scopes.length === 0) throw nothingToGrant(order);

    const grant = { instanceId, resolution, deadline };
    this.requireRoom(order, grant);
    const first = this.draft(order, grant, await this.policy.statusIndex());
    const token = await this.signAndRecord.issue(first, async () =>
      this.draft(order, grant, await this.policy.statusIndex()),
    );
    return { token, expiresAt: first.row.expiresAt, scopes: resolution.scopes };
  }

  private draft(order: SelfIssuedOrder, grant: Grant, statusIndex: number | null): TokenDraft {
    const claims = this.claims(order, grant, statusIndex);
    const payload = Buffer.from(JSON.stringify(claims));
    this.policy.requireSoundSelfIssued(claims, payload, order.at);
    const expiresAt = new Date(claims.exp * 1000);
    const row = {
      ...{
        jti: claims.jti,
        licenseId: null,
        instanceRowId: null,
        gitlabVersion: null,
        hostName: null,
      },
      ...{ resolution: grant.resolution, issuedAt: order.at, expiresAt, statusIndex },
      selfIssued: recordOf(order),
    };
    return { payload, row, deadline: grant.deadline };
  }

  /** Each time with another `jti`. */
  private claims(
    { extraClaims, at }: SelfIssuedOrder,
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
  private requireRoom(order: SelfIssuedOrder, grant: Grant): void {
    if (Object.keys(order.extraClaims).length === 0) return;
    const longestIndex = this.config.tokenStatusList ? Number.MAX_SAFE_INTEGER : null;
    const claims = this.claims(order, grant, longestIndex);
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
    for: whom,
    unitPrimitives,
    at,
  }: SelfIssuedOrder): Promise<SelfIssuedResolution> {
    const subject: SelfIssuedSubject =
      'user' in whom
        ? await this.subjects.user(whom.user)
        : await this.subjects.namespace(whom.namespace);
    const wanted = unitPrimitives && new Set(unitPrimitives);
    const { catalog } = this.catalog.current();
    return resolveSelfIssuedScopes(subject, wanted, catalog, at, this.config);
  }
}

/** What the ledger keeps of the order, so that an auditor can make the claims again. */
function recordOf({ for: whom, unitPrimitives, extraClaims }: SelfIssuedOrder): string {
  return JSON.stringify({
    ...whom,
    ...(unitPrimitives && { unit_primitives: unitPrimitives }),
    ...(Object.keys(extraClaims).length > 0 && { extra_claims: extraClaims }),
  });
}

function nothingToGrant({ for: whom }: SelfIssuedOrder): IssuerError {
  return new IssuerError(
    'NOTHING_TO_GRANT',
    'user' in whom
      ? 'The user has no seat of an active purchase that grants any of it: GET allowed_to_use says ' +
          'why for one unit primitive.'
      : 'The namespace has no active purchase that grants any of it: GET allowed_to_use says why ' +
          'for one unit primitive.',
  );
}
