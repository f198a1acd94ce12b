import { Injectable } from '@nestjs/common';
import { AdminWrites } from '../access-control/admin-writes.js';
import type { Holder } from '../domain/holder.js';
import { RecordedTokens } from '../ledger/recorded-tokens.js';
import { newId } from '../platform/new-id.js';
import {
  type RevocationSubject,
  ServiceTokenRevocationEntity,
} from './service-token-revocation.entity.js';
import {
  type RevokedTokens,
  ServiceTokenRevocationRepository,
} from './service-token-revocation.repository.js';

export interface RevocationRequest {
  /** The name of the API token of the admin who asks. */
  readonly by: string;
  readonly reason: string | null;
}

/** Revokes one token. Status lists show it as revoked; the next sync issues another token as usual. */
@Injectable()
export class RevokeServiceToken {
  constructor(
    private readonly tokens: RecordedTokens,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly writes: AdminWrites,
  ) {}

  /** Twice does nothing. @throws {IssuerError} NOT_FOUND */
  async revoke(jti: string, request: RevocationRequest): Promise<void> {
    await this.writes.run(async (manager, now) => {
      // Two at once take turns: the second one finds the token revoked.
      await this.revocations.lockIssuance(manager);
      const { revokedAt, expiresAt } = await this.tokens.get(manager, jti);
      if (revokedAt !== null) return;
      const live = expiresAt > now;
      const revoked = { revokedTokens: live ? 1 : 0, lastExpiresAt: live ? expiresAt : null };
      await this.revocations.revokeToken(manager, jti, now);
      await this.revocations.insert(manager, revocationOf({ jti }, request, revoked, now));
    });
  }
}

export function revocationOf(
  of: Holder | { readonly jti: string },
  { by, reason }: RevocationRequest,
  revoked: RevokedTokens,
  now: Date,
): ServiceTokenRevocationEntity {
  return Object.assign(new ServiceTokenRevocationEntity(), {
    id: newId(now),
    subject: subjectOf(of),
    jti: null,
    instanceId: null,
    licenseId: null,
    userId: null,
    namespaceId: null,
    ...of,
    ...revoked,
    reason,
    revokedAt: now,
    revokedBy: by,
    restoredAt: null,
    restoredBy: null,
    restoreReason: null,
  });
}

function subjectOf(of: Holder | { readonly jti: string }): RevocationSubject {
  if ('jti' in of) return 'token';
  if ('userId' in of) return 'user';
  if ('namespaceId' in of) return 'namespace';
  return 'instanceId' in of ? 'instance' : 'license';
}
