import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isInPhase } from '../add-on-purchases/purchase-phases.js';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import type { CalendarDay } from '../domain/calendar-day.js';
import type { LiveToken } from '../domain/instance-health.js';
import type { License } from '../domain/license.js';
import { MAX_TTL_SECONDS } from '../domain/service-token-claims.js';
import { firstUuidV7 } from '../domain/uuid-v7.js';
import { tokensRevoked } from '../token-revocation/tokens-revoked.js';

// Days are read as text: TypeORM's driver would turn a `date` into local midnight.
const LICENSES = `
  SELECT id, plan, kind, trial, seats, starts_on::text AS "startsOn", expires_on::text AS "expiresOn",
         revoked_at AS "revokedAt"
  FROM licenses WHERE id = ANY($1)`;

const REVOKED = `
  SELECT wanted.id FROM unnest($1::uuid[], $2::uuid[]) AS wanted (id, license_id)
  WHERE ${tokensRevoked('instance_id', 'wanted.id')}
     OR ${tokensRevoked('license_id', 'wanted.license_id')}`;

const ACTIVE_PURCHASES = `
  SELECT license_id AS "licenseId", id, add_on AS "addOn", quantity, started_at::text AS "startedAt",
         expires_on::text AS "expiresOn", voided_at AS "voidedAt"
  FROM add_on_purchases p
  WHERE license_id = ANY($1) AND ${isInPhase('active', '$2', 'p')}`;

// The least jti leaves out the days whose tokens have all expired. The subquery is lateral, so each instance
// is a look-up in the index of the other days. Validators refuse a token once they have fetched the keys
// without its key, so tokens under unpublished keys do not count.
const LIVE_TOKENS = `
  SELECT wanted.id AS "instanceId", t.jti, t.expires_at AS "expiresAt", t.revoked_at AS "revokedAt",
         encode(t.scope_set_digest, 'hex') AS digest
  FROM unnest($1::uuid[]) AS wanted (id)
  CROSS JOIN LATERAL (
    SELECT jti, expires_at, revoked_at, scope_set_digest FROM issued_tokens
    WHERE instance_id = wanted.id AND jti >= $2 AND expires_at > $3
      AND kid IN (SELECT kid FROM signing_keys WHERE unpublished_at IS NULL)
    OFFSET 0
  ) t`;

const SCOPE_SETS = `
  SELECT encode(digest, 'hex') AS digest, scopes FROM scope_sets WHERE digest = ANY($1)`;

interface TokenRow extends Omit<LiveToken, 'scopes'> {
  readonly instanceId: string;
  readonly digest: string;
}

/** Reads what the health of many instances depends on, in a few statements for all of them. */
@Injectable()
export class InstanceHealthRepository {
  async licenses(
    manager: EntityManager,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, License>> {
    const rows = await manager.query<License[]>(LICENSES, [ids]);
    return new Map(rows.map((license) => [license.id, license]));
  }

  /** By the id of their license. */
  async activePurchases(
    manager: EntityManager,
    licenseIds: readonly string[],
    today: CalendarDay,
  ): Promise<ReadonlyMap<string, readonly AddOnPurchase[]>> {
    const rows = await manager.query<(AddOnPurchase & { licenseId: string })[]>(ACTIVE_PURCHASES, [
      licenseIds,
      today,
    ]);
    return grouped(rows, ({ licenseId }) => licenseId);
  }

  /** The ids of instances whose tokens, or those of their license, are revoked and not restored. */
  async tokensRevoked(
    manager: EntityManager,
    instances: readonly { readonly id: string; readonly licenseId: string }[],
  ): Promise<ReadonlySet<string>> {
    const ids = instances.map(({ id }) => id);
    const licenseIds = instances.map(({ licenseId }) => licenseId);
    const rows = await manager.query<{ id: string }[]>(REVOKED, [ids, licenseIds]);
    return new Set(rows.map(({ id }) => id));
  }

  /** By the id of their instance: the tokens under published keys that have not expired. */
  async liveTokens(
    manager: EntityManager,
    instanceIds: readonly string[],
    now: Date,
  ): Promise<ReadonlyMap<string, readonly LiveToken[]>> {
    const leastJti = firstUuidV7(new Date(now.getTime() - MAX_TTL_SECONDS * 1000));
    const rows = await manager.query<TokenRow[]>(LIVE_TOKENS, [instanceIds, leastJti, now]);
    const scopes = await this.scopeSets(manager, new Set(rows.map(({ digest }) => digest)));
    const tokens = rows.map((row) => ({ ...row, scopes: scopes.get(row.digest) ?? [] }));
    return grouped(tokens, ({ instanceId }) => instanceId);
  }

  private async scopeSets(
    manager: EntityManager,
    digests: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const values = [...digests].map((digest) => Buffer.from(digest, 'hex'));
    const rows = await manager.query<{ digest: string; scopes: string[] }[]>(SCOPE_SETS, [values]);
    return new Map(rows.map(({ digest, scopes }) => [digest, scopes]));
  }
}

function grouped<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}
