import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, MoreThan, Not } from 'typeorm';
import type { Holder, LicenseHolder, PlatformHolder } from '../domain/holder.js';
import { firstUuidV7 } from '../domain/uuid-v7.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import {
  firstLiveJti,
  firstLiveSelfIssuedJti,
  ofLicense,
  type RecordedToken,
} from '../ledger/recorded-tokens.js';
import { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';

/** What a revocation revoked: tokens that had not expired. */
export interface RevokedTokens {
  readonly revokedTokens: number;
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

interface TokensToRevoke {
  readonly jtis: readonly string[];
  /** Tokens issued from this instant on are revoked too. */
  readonly issuedSince: Date;
  readonly at: Date;
}

// Few rows: a restored revocation is not among them.
const STANDING = `
  SELECT r.id, r.license_id AS "licenseId" FROM service_token_revocations r
  WHERE r.license_id IS NOT NULL AND r.restored_at IS NULL
  UNION ALL
  SELECT r.id, i.license_id FROM service_token_revocations r
  JOIN instances i ON i.id = r.instance_id
  WHERE r.instance_id IS NOT NULL AND r.restored_at IS NULL`;

@Injectable()
export class ServiceTokenRevocationRepository {
  /**
   * Waits until the tokens that are being issued are committed, and holds back all others until the
   * transaction ends. What it reads of the ledger from now on is complete.
   */
  async lockIssuance(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('signing_keys.phase'))`);
  }

  async insert(manager: EntityManager, revocation: ServiceTokenRevocationEntity): Promise<void> {
    await manager.insert(ServiceTokenRevocationEntity, revocation);
  }

  /** The revocation of all tokens of `holder` that is not restored yet. */
  async active(
    manager: EntityManager,
    holder: LicenseHolder,
  ): Promise<ServiceTokenRevocationEntity | null> {
    const where = { ...holder, restoredAt: IsNull() };
    return manager.findOneBy(ServiceTokenRevocationEntity, where);
  }

  /** The last revocation of all tokens of `holder`, restored or not. */
  async last(
    manager: EntityManager,
    holder: LicenseHolder,
  ): Promise<ServiceTokenRevocationEntity | null> {
    const order = { id: 'DESC' } as const;
    return manager.findOne(ServiceTokenRevocationEntity, { where: holder, order });
  }

  /** @returns whether there was a revocation to restore */
  async restore(
    manager: EntityManager,
    holder: LicenseHolder,
    { by, reason, at }: { readonly by: string; readonly reason: string | null; readonly at: Date },
  ): Promise<boolean> {
    const { affected } = await manager.update(
      ServiceTokenRevocationEntity,
      { ...holder, restoredAt: IsNull() },
      { restoredAt: at, restoredBy: by, restoreReason: reason },
    );
    return (affected ?? 0) > 0;
  }

  /** The revocation that revoked this token; null for a token that is not revoked. */
  async thatRevoked(
    manager: EntityManager,
    token: RecordedToken,
  ): Promise<ServiceTokenRevocationEntity | null> {
    const { jti, revokedAt } = token;
    if (revokedAt === null) return null;
    const of = [{ jti }, ...holdersOf(token).map((holder) => ({ ...holder, revokedAt }))];
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

  /** By the id of each revocation of a license or an instance that is not restored: its license. */
  async licensesByStandingRevocation(manager: EntityManager): Promise<ReadonlyMap<string, string>> {
    const rows = await manager.query<{ id: string; licenseId: string }[]>(STANDING);
    return new Map(rows.map(({ id, licenseId }) => [id, licenseId]));
  }

  /** Marks the live tokens of `holder`. */
  async revokeTokensOf(
    manager: EntityManager,
    holder: LicenseHolder,
    at: Date,
  ): Promise<RevokedTokens> {
    const [condition, id] =
      'licenseId' in holder
        ? [ofLicense('$1'), holder.licenseId]
        : ['instance_id = $1', holder.instanceId];
    return revokeLive(manager, `${condition} AND jti >= $3`, [id, at, firstLiveJti(at)]);
  }

  /** The live tokens for `holder` whose rows are committed. */
  async liveTokensFor(
    manager: EntityManager,
    holder: PlatformHolder,
    at: Date,
  ): Promise<readonly string[]> {
    const [condition, id] = issuedFor(holder);
    const rows = await manager.query<{ jti: string }[]>(
      `SELECT jti FROM issued_tokens
       WHERE ${condition} AND jti >= $3 AND expires_at > $2 AND revoked_at IS NULL`,
      [id, at, firstLiveSelfIssuedJti(at)],
    );
    return rows.map(({ jti }) => jti);
  }

  /** Marks the live ones of these tokens, and the live tokens for `holder` that were issued lately. */
  async revokeTokensFor(
    manager: EntityManager,
    holder: PlatformHolder,
    { jtis, issuedSince, at }: TokensToRevoke,
  ): Promise<RevokedTokens> {
    const [condition, id] = issuedFor(holder);
    const before = await revokeLive(manager, 'jti = ANY($1)', [jtis, at]);
    const first = firstUuidV7(issuedSince);
    const after = await revokeLive(manager, `${condition} AND jti >= $3`, [id, at, first]);
    return {
      revokedTokens: before.revokedTokens + after.revokedTokens,
      lastExpiresAt: later(before.lastExpiresAt, after.lastExpiresAt),
    };
  }

  /** Marks one token, which may have expired. */
  async revokeToken(manager: EntityManager, jti: string, at: Date): Promise<void> {
    const sql = `UPDATE issued_tokens SET revoked_at = $2 WHERE jti = $1 AND revoked_at IS NULL`;
    await manager.query(sql, [jti, at]);
  }
}

/** The condition on `$1` that finds the tokens of a holder. */
function issuedFor(holder: PlatformHolder): [condition: string, id: string] {
  return 'userId' in holder
    ? [`self_issued->>'user' = $1`, holder.userId]
    : [`self_issued->>'namespace' = $1`, holder.namespaceId];
}

function holdersOf({ instanceId, licenseId, selfIssued }: RecordedToken): Holder[] {
  if (instanceId !== null && licenseId !== null) return [{ instanceId }, { licenseId }];
  const { user, namespace } = selfIssued ?? {};
  if (typeof user === 'string') return [{ userId: user }];
  return typeof namespace === 'string' ? [{ namespaceId: namespace }] : [];
}

function later(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

async function revokeLive(
  manager: EntityManager,
  condition: string,
  values: readonly unknown[],
): Promise<RevokedTokens> {
  const [row] = await manager.query<RevokedTokens[]>(
    `WITH revoked AS (
       UPDATE issued_tokens SET revoked_at = $2
       WHERE ${condition} AND expires_at > $2 AND revoked_at IS NULL RETURNING expires_at
     )
     SELECT count(*)::int AS "revokedTokens", max(expires_at) AS "lastExpiresAt" FROM revoked`,
    [...values],
  );
  return row ?? { revokedTokens: 0, lastExpiresAt: null };
}
