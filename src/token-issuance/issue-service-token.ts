import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { License } from '../domain/license.js';
import type { Resolution } from '../domain/scope-decision.js';
import { serviceTokenClaims, type TokenSubject } from '../domain/service-token-claims.js';
import { uuidV7 } from '../domain/uuid-v7.js';
import { IssuerError } from '../platform/issuer-error.js';
import { Admission, type Sync } from './admission.js';
import { Entitlements } from '../entitlements/entitlements.js';
import type { HeldLicense } from './held-license.js';
import { TokensRevokedError } from '../ledger/issuance-ledger.js';
import { IssuancePolicy } from './issuance-policy.js';
import { SignAndRecord, type TokenDraft } from './sign-and-record.js';

export interface ServiceToken {
  /** A compact JWS. */
  readonly token: string;
  readonly expiresAt: Date;
}

/** What an admitted sync gets a token of, whatever its `jti`. */
interface Grant {
  readonly subject: TokenSubject;
  readonly instanceRowId: string;
  readonly resolution: Resolution;
}

/** The use case that this service exists for. */
@Injectable()
export class IssueServiceToken {
  constructor(
    private readonly admission: Admission,
    private readonly entitlements: Entitlements,
    private readonly policy: IssuancePolicy,
    private readonly signAndRecord: SignAndRecord,
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
    const { license, purchases } = held;
    const resolution = this.entitlements.resolve(license, purchases, sync.gitlabVersion, sync.at);
    if (resolution.scopes.length === 0) throw nothingToGrant(held);

    const instance = await this.admission.instanceOf(sync, held);
    const subject = { instanceId, instanceUid: instance.uniqueInstanceId ?? instance.id };
    const grant = { subject, instanceRowId: instance.id, resolution };
    const first = this.draft(sync, license, grant, await this.policy.statusIndex());
    const token = await this.signed(first, async () =>
      this.draft(sync, license, grant, await this.policy.statusIndex()),
    );
    return token === null ? null : { token, expiresAt: first.row.expiresAt };
  }

  /** Each with a `jti` of its own. */
  private draft(
    sync: Sync,
    license: License,
    { subject, instanceRowId, resolution }: Grant,
    statusIndex: number | null,
  ): TokenDraft {
    const jti = uuidV7(sync.at, randomBytes(10));
    const { terms } = this.policy;
    const claims = serviceTokenClaims(
      license,
      subject,
      resolution,
      terms,
      sync.at,
      jti,
      statusIndex,
    );
    const payload = Buffer.from(JSON.stringify(claims));
    this.policy.requireSound(claims, payload, sync.at);
    const row = {
      jti,
      licenseId: license.id,
      instanceRowId,
      resolution,
      gitlabVersion: sync.gitlabVersion.text,
      hostName: sync.hostName,
      issuedAt: sync.at,
      expiresAt: new Date(claims.exp * 1000),
      statusIndex,
      selfIssued: null,
    };
    return { payload, row, deadline: sync.deadline };
  }

  /** Null when a revocation came between the look-up and the ledger. */
  private async signed(
    draft: TokenDraft,
    redraft: () => Promise<TokenDraft>,
  ): Promise<string | null> {
    try {
      return await this.signAndRecord.issue(draft, redraft);
    } catch (error) {
      if (error instanceof TokensRevokedError) return null;
      throw error;
    }
  }
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
