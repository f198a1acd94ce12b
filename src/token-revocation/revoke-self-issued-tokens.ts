import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import type { PlatformHolder } from '../domain/holder.js';
import { Clock } from '../platform/clock.js';
import { type RevocationRequest, revocationOf } from './revoke-service-token.js';
import type { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';

/** No token takes longer from its issue to its commit, even if the clocks of replicas differ. */
const UNCOMMITTED_MS = 60_000;

/** Revokes the tokens that the platform issued to itself for one of its users or namespaces. */
@Injectable()
export class RevokeSelfIssuedTokens {
  constructor(
    private readonly database: Database,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Revokes every live token; the next request for a token gets another as usual. A second call revokes
   * what was issued in between.
   */
  async revoke(
    holder: PlatformHolder,
    request: RevocationRequest,
  ): Promise<ServiceTokenRevocationEntity> {
    const now = this.clock.now();
    // No index finds these tokens, and nobody gets a token while the issuance is locked. So the ledger of
    // the last hour is read before the lock, and only the last minute again under it.
    const jtis = await this.revocations.liveTokensFor(this.database.manager, holder, now);
    const issuedSince = new Date(now.getTime() - UNCOMMITTED_MS);
    return this.database.transaction(async (manager) => {
      await this.revocations.lockIssuance(manager);
      const search = { jtis, issuedSince, at: now };
      const revoked = await this.revocations.revokeTokensFor(manager, holder, search);
      const revocation = revocationOf(holder, request, revoked, now);
      await this.revocations.insert(manager, revocation);
      return revocation;
    });
  }
}
