import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, MoreThan } from 'typeorm';
import { rowsToFetch } from '../platform/paging.js';
import { firstLiveJti, ofLicense, type RecordedToken } from './recorded-tokens.js';
import type { ListRevocationsQuery } from './service-token-revocation.dto.js';
import { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';

/** Whose tokens are revoked as a whole. */
export type Owner = { readonly licenseId: string } | { readonly instanceId: string };

/** What a revocation took. */
export interface Taken {
  readonly liveTokens: number;
  readonly lastExpiresAt: Date | null;
}

@Injectable()
export class ServiceTokenRevocationRepository {
  /**
   * Waits for the tokens under way and lets no other in until the transaction ends: what is read of
   * the ledger from now on is complete.
   */
  async lockIssuance(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('signing_keys.phase'))`);
  }

  async insert(manager: EntityManager, revocation: ServiceTokenRevocationEntity): Promise<void> {
    await manager.insert(ServiceTokenRevocationEntity, revocation);
  }

  /** The revocation of all tokens of `owner` that is not restored yet. */
  async active(manager: EntityManager, owner: Owner): Promise<ServiceTokenRevocationEntity | null> {
    const where = { ...owner, restoredAt: IsNull() };
    return manager.findOneBy(ServiceTokenRevocationEntity, where);
  }

  /** The last revocation of all tokens of `owner`, restored or not. */
  async last(manager: EntityManager, owner: Owner): Promise<ServiceTokenRevocationEntity | null> {
    const order = { id: 'DESC' } as const;
    return manager.findOne(ServiceTokenRevocationEntity, { where: owner, order });
  }

  /** Lifts the null answer. @returns whether there was one to lift */
  async restore(
    manager: EntityManager,
    owner: Owner,
    { by, reason, at }: { readonly by: string; readonly reason: string | null; readonly at: Date },
  ): Promise<boolean> {
    const { affected } = await manager.update(
      ServiceTokenRevocationEntity,
      { ...owner, restoredAt: IsNull() },
      { restoredAt: at, restoredBy: by, restoreReason: reason },
    );
    return (affected ?? 0) > 0;
  }

  /** Which revocation took a token that is revoked. */
  async behind(
    manager: EntityManager,
    { jti, instanceId, licenseId, revokedAt }: RecordedToken,
  ): Promise<ServiceTokenRevocationEntity | null> {
    if (revokedAt === null) return null;
    const owners = instanceId === null || licenseId === null ? [] : [{ instanceId }, { licenseId }];
    const of = [{ jti }, ...owners.map((owner) => ({ ...owner, revokedAt }))];
    return manager.findOne(ServiceTokenRevocationEntity, { where: of, order: { id: 'ASC' } });
  }

  async list(
    manager: EntityManager,
    query: ListRevocationsQuery,
  ): Promise<ServiceTokenRevocationEntity[]> {
    const found = manager.createQueryBuilder(ServiceTokenRevocationEntity, 'r').orderBy('r.id');
    if (query.cursor !== undefined) found.andWhere({ id: MoreThan(query.cursor) });
    if (query.active === 'true') found.andWhere('r.restored_at IS NULL');
    if (query.active === 'false') found.andWhere('r.restored_at IS NOT NULL');
    if (query.instance_id !== undefined) found.andWhere({ instanceId: query.instance_id });
    if (query.license_id !== undefined) {
      found.andWhere(`(r.license_id = :licenseId OR r.${ofLicense(':licenseId')})`, {
        licenseId: query.license_id,
      });
    }
    return found.take(rowsToFetch(query)).getMany();
  }

  /** Marks the tokens of `owner` that live at `at`. */
  async revokeTokensOf(manager: EntityManager, owner: Owner, at: Date): Promise<Taken> {
    const [condition, id] =
      'licenseId' in owner
        ? [ofLicense('$1'), owner.licenseId]
        : ['instance_id = $1', owner.instanceId];
    return taken(manager, `${condition} AND jti >= $3`, [id, at, firstLiveJti(at)]);
  }

  /** Marks one token, which may have expired. */
  async revokeToken(manager: EntityManager, jti: string, at: Date): Promise<void> {
    const sql = `UPDATE issued_tokens SET revoked_at = $2 WHERE jti = $1 AND revoked_at IS NULL`;
    await manager.query(sql, [jti, at]);
  }
}

async function taken(
  manager: EntityManager,
  condition: string,
  values: readonly unknown[],
): Promise<Taken> {
  const [row] = await manager.query<Taken[]>(
    `WITH taken AS (
       UPDATE issued_tokens SET revoked_at = $2
       WHERE ${condition} AND expires_at > $2 AND revoked_at IS NULL RETURNING expires_at
     )
     SELECT count(*)::int AS "liveTokens", max(expires_at) AS "lastExpiresAt" FROM taken`,
    [...values],
  );
  return row ?? { liveTokens: 0, lastExpiresAt: null };
}
