import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { newId } from '../platform/new-id.js';
import { ApiTokenEntity } from './api-token.entity.js';
import { digestOf } from './api-token-look-up.js';

const BOOTSTRAP_NAME = 'bootstrap';

/** The bearer tokens of admins. Only their digests are stored. */
@Injectable()
export class ApiTokens {
  constructor(private readonly clock: Clock) {}

  /**
   * Makes `token` the owner's bootstrap token. The bootstrap token before it stops working, also if there
   * is none now. Needs a transaction.
   */
  async setBootstrapToken(manager: EntityManager, token: string | null): Promise<void> {
    if (token === null) {
      await manager.delete(ApiTokenEntity, { name: BOOTSTRAP_NAME });
      return;
    }
    const now = this.clock.now();
    const row = { id: newId(now), name: BOOTSTRAP_NAME, role: 'owner', createdAt: now } as const;
    // Two replicas take turns: ON CONFLICT covers one unique index, and the digest has another.
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('api_tokens.bootstrap'))`);
    await manager
      .createQueryBuilder()
      .insert()
      .into(ApiTokenEntity)
      .values({ ...row, digest: digestOf(token) })
      .orUpdate(['digest'], ['name'])
      .execute();
  }
}
