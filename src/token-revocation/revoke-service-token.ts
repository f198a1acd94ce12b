import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { newId } from '../platform/new-id.js';
import { RecordedTokens } from '../ledger/recorded-tokens.js';
import {
  type RevocationSubject,
  ServiceTokenRevocationEntity,
} from './service-token-revocation.entity.js';
import {
  type Owner,
  ServiceTokenRevocationRepository,
  type Taken,
  type Whom,
} from './service-token-revocation.repository.js';

/** Who wants it, and why. */
export interface Order {
  /** The name of an API token. */
  readonly by: string;
  readonly reason: string | null;
}

/** Revokes one token. Status lists tell of it; the next sync issues another as usual. */
@Injectable()
export class RevokeServiceToken {
  constructor(
    private readonly database: Database,
    private readonly tokens: RecordedTokens,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly clock: Clock,
  ) {}

  /** Twice does nothing. @throws {IssuerError} NOT_FOUND */
  async revoke(jti: string, order: Order): Promise<void> {
    const now = this.clock.now();
    await this.database.transaction(async (manager) => {
      // Two at once take turns: the second one finds the token revoked.
      await this.revocations.lockIssuance(manager);
      const { revokedAt, expiresAt } = await this.tokens.get(manager, jti);
      if (revokedAt !== null) return;
      const live = expiresAt > now;
      const taken = { liveTokens: live ? 1 : 0, lastExpiresAt: live ? expiresAt : null };
      await this.revocations.revokeToken(manager, jti, now);
      await this.revocations.insert(manager, revocationOf({ jti }, order, taken, now));
    });
  }
}

export function revocationOf(
  of: Owner | Whom | { readonly jti: string },
  { by, reason }: Order,
  taken: Taken,
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
    ...taken,
    reason,
    revokedAt: now,
    revokedBy: by,
    restoredAt: null,
    restoredBy: null,
    restoreReason: null,
  });
}

function subjectOf(of: object): RevocationSubject {
  if ('jti' in of) return 'token';
  if ('userId' in of) return 'user';
  if ('namespaceId' in of) return 'namespace';
  return 'instanceId' in of ? 'instance' : 'license';
}
