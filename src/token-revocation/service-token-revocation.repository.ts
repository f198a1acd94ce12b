import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, MoreThan, Not } from 'typeorm';
import { firstUuidV7 } from '../domain/uuid-v7.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import {
  firstLiveJti,
  firstLiveSelfIssuedJti,
  ofLicense,
  type RecordedToken,
} from '../ledger/recorded-tokens.js';
import { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';

/** Whose tokens are revoked as a whole. */
export type Owner = { readonly licenseId: string } | { readonly instanceId: string };

/** For whom the platform issued the tokens to itself that are revoked, by its own ids. */
export type Whom = { readonly userId: string } | { readonly namespaceId: string };

/** What a revocation took. */
export interface Taken {
  readonly liveTokens: number;
  readonly lastExpiresAt: Date | null;
}

/** Which revocations a list has; null filters nothing. */
export interface RevocationFilter {
  /** That license, and each of its instances. */
  readonly licenseId: string | null;
  readonly instanceId: string | null;
  readonly userId: string | null;
  readonly namespaceId: string | null;
  /** Whether it is not restored yet. */
  readonly active: boolean | null;
}

interface Since {
  readonly known: readonly string[];
  readonly since: Date;
  readonly at: Date;
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
    token: RecordedToken,
  ): Promise<ServiceTokenRevocationEntity | null> {
    const { jti, revokedAt } = token;
    if (revokedAt === null) return null;
    const of = [{ jti }, ...ownersOf(token).map((owner) => ({ ...owner, revokedAt }))];
    return manager.findOne(ServiceTokenRevocationEntity, { where: of, order: { id: 'ASC' } });
  }

  async list(
    manager: EntityManager,
    { licenseId, active, ...holder }: RevocationFilter,
    page: PageRequest,
  ): Promise<ServiceTokenRevocationEntity[]> {
    const found = manager.createQueryBuilder(ServiceTokenRevocationEntity, 'r').orderBy('r.id');
    if (page.after !== null) found.andWhere({ id: MoreThan(page.after) });
    if (active !== null) found.andWhere({ restoredAt: active ? IsNull() : Not(IsNull()) });
    if (licenseId !== null) {
      const ofTheLicense = `(r.license_id = :licenseId OR r.${ofLicense(':licenseId')})`;
      found.andWhere(ofTheLicense, { licenseId });
    }
    for (const [column, id] of Object.entries(holder)) {
      if (id !== null) found.andWhere({ [column]: id });
    }
    return found.take(rowsToFetch(page)).getMany();
  }

  /** Marks the tokens of `owner` that live at `at`. */
  async revokeTokensOf(manager: EntityManager, owner: Owner, at: Date): Promise<Taken> {
    const [condition, id] =
      'licenseId' in owner
        ? [ofLicense('$1'), owner.licenseId]
        : ['instance_id = $1', owner.instanceId];
    return taken(manager, `${condition} AND jti >= $3`, [id, at, firstLiveJti(at)]);
  }

  /** The tokens for `whom` that live at `at`, as far as they are committed. */
  async liveTokensFor(manager: EntityManager, whom: Whom, at: Date): Promise<readonly string[]> {
    const [condition, id] = isFor(whom);
    const rows = await manager.query<{ jti: string }[]>(
      `SELECT jti FROM issued_tokens
       WHERE ${condition} AND jti >= $3 AND expires_at > $2 AND revoked_at IS NULL`,
      [id, at, firstLiveSelfIssuedJti(at)],
    );
    return rows.map(({ jti }) => jti);
  }

  /** Marks those of `known`, and those issued from `since` on, that live at `at`. */
  async revokeTokensFor(
    manager: EntityManager,
    whom: Whom,
    { known, since, at }: Since,
  ): Promise<Taken> {
    const [condition, id] = isFor(whom);
    const before = await taken(manager, 'jti = ANY($1)', [known, at]);
    const after = await taken(manager, `${condition} AND jti >= $3`, [id, at, firstUuidV7(since)]);
    return {
      liveTokens: before.liveTokens + after.liveTokens,
      lastExpiresAt: later(before.lastExpiresAt, after.lastExpiresAt),
    };
  }

  /** Marks one token, which may have expired. */
  async revokeToken(manager: EntityManager, jti: string, at: Date): Promise<void> {
    const sql = `UPDATE issued_tokens SET revoked_at = $2 WHERE jti = $1 AND revoked_at IS NULL`;
    await manager.query(sql, [jti, at]);
  }
}

/** The condition by which `$1` finds its tokens. */
function isFor(whom: Whom): [condition: string, id: string] {
  return 'userId' in whom
    ? [`self_issued->>'user' = $1`, whom.userId]
    : [`self_issued->>'namespace' = $1`, whom.namespaceId];
}

function ownersOf({ instanceId, licenseId, selfIssued }: RecordedToken): (Owner | Whom)[] {
  if (instanceId !== null && licenseId !== null) return [{ instanceId }, { licenseId }];
  const { user, namespace } = selfIssued ?? {};
  if (typeof user === 'string') return [{ userId: user }];
  return typeof namespace === 'string' ? [{ namespaceId: namespace }] : [];
}

function later(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
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
