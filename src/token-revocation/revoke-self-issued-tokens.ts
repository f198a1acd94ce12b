import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { type Order, revocationOf } from './revoke-service-token.js';
import type { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';
import {
  ServiceTokenRevocationRepository,
  type Whom,
} from './service-token-revocation.repository.js';

/** Longer than a token may be under way, with what the clocks of replicas differ. */
const UNDER_WAY_MS = 60_000;

/** Revokes the tokens that the platform issued to itself for one of its users or namespaces. */
@Injectable()
export class RevokeSelfIssuedTokens {
  constructor(
    private readonly database: Database,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes every token that lives now; the next request gets another as usual. Twice takes what was
   * issued in between.
   */
  async revoke(whom: Whom, order: Order): Promise<ServiceTokenRevocationEntity> {
    const now = this.clock.now();
    // No index finds them, and while the issuance is locked nobody gets a token: the ledger of the last
    // hour is read before, and what came meanwhile is all that is read then.
    const known = await this.revocations.liveTokensFor(this.database.manager, whom, now);
    const since = new Date(now.getTime() - UNDER_WAY_MS);
    return this.database.transaction(async (manager) => {
      await this.revocations.lockIssuance(manager);
      const taken = await this.revocations.revokeTokensFor(manager, whom, {
        known,
        since,
        at: now,
      });
      const revocation = revocationOf(whom, order, taken, now);
      await this.revocations.insert(manager, revocation);
      return revocation;
    });
  }
}
