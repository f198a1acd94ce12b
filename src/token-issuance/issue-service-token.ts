import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { serviceTokenClaims } from '../domain/service-token-claims.js';
import { uuidV7 } from '../domain/uuid-v7.js';
import { IssuerError } from '../platform/issuer-error.js';
import { Admission, type Sync } from './admission.js';
import { Entitlements } from './entitlements.js';
import type { HeldLicense } from './held-license.js';
import { TokensRevokedError } from './issuance-ledger.js';
import { IssuancePolicy } from './issuance-policy.js';
import { SignAndRecord, type TokenDraft } from './sign-and-record.js';

export interface ServiceToken {
  /** A compact JWS. */
  readonly token: string;
  readonly expiresAt: Date;
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
    const jti = uuidV7(sync.at, randomBytes(10));
    const { terms } = this.policy;
    const statusIndex = await this.policy.statusIndex();
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
    const expiresAt = new Date(claims.exp * 1000);
    const row = {
      jti,
      licenseId: license.id,
      instanceRowId: instance.id,
      resolution,
      gitlabVersion: sync.gitlabVersion.text,
      hostName: sync.hostName,
      issuedAt: sync.at,
      expiresAt,
      statusIndex,
      selfIssued: null,
    };
    const token = await this.signed({ payload, row, deadline: sync.deadline });
    return token === null ? null : { token, expiresAt };
  }

  /** Null when a revocation came between the look-up and the ledger. */
  private async signed(draft: TokenDraft): Promise<string | null> {
    try {
      return await this.signAndRecord.issue(draft);
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
