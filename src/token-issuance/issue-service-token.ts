import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Resolution } from '../domain/scope-decision.js';
import { type ServiceTokenClaims, serviceTokenClaims } from '../domain/service-token-claims.js';
import { uuidV7 } from '../domain/uuid-v7.js';
import type { KnownInstance } from '../instances/instance.repository.js';
import { databaseAway } from '../platform/database-away.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SigningKeyGoneError, SigningTokenError } from '../signing-keys/signing-token-error.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { Admission, type Sync } from './admission.js';
import { Entitlements } from './entitlements.js';
import type { HeldLicense } from './held-license.js';
import { IssuanceLedger, KeyNotCurrentError, TokensRevokedError } from './issuance-ledger.js';
import { IssuancePolicy } from './issuance-policy.js';

/** For a token (HSM) that does not answer, and keys that are changing. */
const RETRY_AFTER_SECONDS = 2;

export interface ServiceToken {
  /** A compact JWS. */
  readonly token: string;
  readonly expiresAt: Date;
}

interface Draft {
  readonly sync: Sync;
  readonly held: HeldLicense;
  readonly instance: KnownInstance;
  readonly resolution: Resolution;
  readonly claims: ServiceTokenClaims;
  /** The claims as they are signed. */
  readonly payload: Buffer;
  readonly statusIndex: number | null;
}

/** The use case that this service exists for. */
@Injectable()
export class IssueServiceToken {
  constructor(
    private readonly admission: Admission,
    private readonly entitlements: Entitlements,
    private readonly signingKeys: SigningKeys,
    private readonly ledger: IssuanceLedger,
    private readonly policy: IssuancePolicy,
  ) {}

  /**
   * A fresh token for an admitted sync; its row is in the ledger before it is returned. Null only
   * where an admin has revoked the tokens of the license or the instance: told of it, an instance
   * deletes all that it holds, so no failure may ever look like this.
   * @throws {IssuerError} INSTANCE_ID_INVALID, INSTANCE_UNKNOWN, NOTHING_TO_GRANT, UNAVAILABLE
   */
  async issue(sync: Sync, held: HeldLicense): Promise<ServiceToken | null> {
    if (this.admission.tokensRevoked(sync, held)) return null;
    const instanceId = this.admission.identityOf(sync, held);
    const resolution = this.entitlements.resolve(
      held.license,
      held.purchases,
      sync.gitlabVersion,
      sync.at,
    );
    if (resolution.scopes.length === 0) throw nothingToGrant(held);

    const instance = await this.admission.instanceOf(sync, held);
    const subject = { instanceId, instanceUid: instance.uniqueInstanceId ?? instance.id };
    const jti = uuidV7(sync.at, randomBytes(10));
    const { terms } = this.policy;
    const statusIndex = await this.policy.statusIndex();
    const claims = serviceTokenClaims(
      held.license,
      subject,
      resolution,
      terms,
      sync.at,
      jti,
      statusIndex,
    );
    const payload = Buffer.from(JSON.stringify(claims));
    this.policy.requireSound(claims, payload, sync.at);
    const draft = { sync, held, instance, resolution, claims, payload, statusIndex };
    const token = await this.signAndRecord(draft);
    return token === null ? null : { token, expiresAt: new Date(claims.exp * 1000) };
  }

  /** Null when a revocation came between the look-up and the ledger. */
  private async signAndRecord(draft: Draft): Promise<string | null> {
    try {
      return await this.signAndRecordUnderCurrentKey(draft);
    } catch (error) {
      if (error instanceof TokensRevokedError) return null;
      throw isOfKey(error) ? keysAway(error) : error;
    }
  }

  private async signAndRecordUnderCurrentKey(draft: Draft): Promise<string> {
    try {
      return await this.signAndRecordOnce(draft);
    } catch (error) {
      if (!(error instanceof KeyNotCurrentError || error instanceof SigningKeyGoneError))
        throw error;
      // This replica slept through a rotation; the token it signed never left.
      await this.signingKeys.refresh();
      return this.signAndRecordOnce(draft);
    }
  }

  /** Signature and flush run side by side; the token leaves only when both are done. */
  private async signAndRecordOnce(draft: Draft): Promise<string> {
    const { sync, held, instance, resolution, claims, payload, statusIndex } = draft;
    if (sync.deadline.isOver) throw databaseAway();
    const key = this.signingKeys.current();
    const row = {
      jti: claims.jti,
      licenseId: held.license.id,
      instanceRowId: instance.id,
      kid: key.kid,
      resolution,
      gitlabVersion: sync.gitlabVersion.text,
      hostName: sync.hostName,
      issuedAt: sync.at,
      expiresAt: new Date(claims.exp * 1000),
      claimsDigest: createHash('sha256').update(payload).digest(),
      statusIndex,
    };
    const recorded = this.ledger.record(row, sync.deadline);
    const [token] = await Promise.all([key.sign(payload), recorded]);
    return token;
  }
}

/** A token (HSM) that fails, or keys that changed again while they were being read again. */
function isOfKey(error: unknown): error is Error {
  return error instanceof SigningTokenError || error instanceof KeyNotCurrentError;
}

function keysAway(cause: Error): IssuerError {
  const detail = 'The keys that sign cannot be used at this moment: try again shortly.';
  return new IssuerError('UNAVAILABLE', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

function nothingToGrant({ purchases }: HeldLicense): IssuerError {
  return new IssuerError(
    'NOTHING_TO_GRANT',
    purchases.length === 0
      ? 'This license has no active add-on purchase: buy an add-on, then sync again.'
      : 'No add-on of this license grants anything to this version of GitLab: upgrade GitLab, or ' +
          'ask the admin of the issuer for the entitlements of the license, which say why.',
  );
}
