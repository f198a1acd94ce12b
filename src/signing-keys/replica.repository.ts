import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type PageRequest, rowsToFetch } from '../database/page.js';

/** A process of the service, and the keys that it last acknowledged. */
export interface Replica {
  readonly id: string;
  readonly hostName: string | null;
  readonly processId: number | null;
  readonly startedAt: Date;
  readonly seenAt: Date;
  readonly signsWith: string | null;
  readonly publishes: readonly string[];
}

/** A replica compared with the keys in the database. */
export interface ListedReplica extends Replica {
  /** Keys that it should publish and does not. */
  readonly missingKeys: readonly string[];
  /** Unpublished keys that it still publishes. */
  readonly excessKeys: readonly string[];
}

/** Replicas that have not acknowledged a state of a key. */
export interface NotAcknowledgedBy {
  readonly total: number;
  /** The latest to acknowledge keys first, at most `MOST_NAMED`. */
  readonly named: readonly Replica[];
}

/** Whether every replica should publish the key. */
export interface WantedKey {
  readonly kid: string;
  readonly published: boolean;
}

/** The replicas that acknowledged keys between two instants. */
export interface Heard {
  readonly since: Date;
  readonly until: Date;
}

/** A container that restarts again and again leaves many rows. */
export const MOST_NAMED = 10;
export const ALL_ACKNOWLEDGED: NotAcknowledgedBy = { total: 0, named: [] };

const COLUMNS = `r.id, r.host_name AS "hostName", r.process_id AS "processId",
  r.started_at AS "startedAt", r.seen_at AS "seenAt", r.signs_with AS "signsWith", r.publishes`;

const LISTED = `${COLUMNS},
  ARRAY(SELECT kid FROM signing_keys WHERE unpublished_at IS NULL AND kid <> ALL (r.publishes)
        ORDER BY published_at, kid) AS "missingKeys",
  ARRAY(SELECT kid FROM signing_keys WHERE unpublished_at IS NOT NULL AND kid = ANY (r.publishes)
        ORDER BY published_at, kid) AS "excessKeys"`;

const ACKNOWLEDGE = `
  INSERT INTO replicas (id, host_name, process_id, started_at, seen_at, signs_with, publishes)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, signs_with = excluded.signs_with,
    publishes = excluded.publishes`;

const NOT_ACKNOWLEDGED = `
  SELECT kid, total, id, "hostName", "processId", "startedAt", "seenAt", "signsWith", publishes
  FROM (
    SELECT wanted.kid, ${COLUMNS}, count(*) OVER of_key::int AS total,
           row_number() OVER (of_key ORDER BY r.seen_at DESC, r.id) AS place
    FROM unnest($1::text[], $2::boolean[]) AS wanted (kid, published)
    JOIN replicas r ON (wanted.kid = ANY (r.publishes)) <> wanted.published
    WHERE r.seen_at BETWEEN $3 AND $4
    WINDOW of_key AS (PARTITION BY wanted.kid)
  ) replica
  WHERE place <= ${MOST_NAMED} ORDER BY kid, place`;

/** A removed replica may have published a revoked key until now, so validators may trust it longer. */
const markUnpublishedLate = `
  UPDATE signing_keys SET unpublished_late_at = greatest(unpublished_late_at, $1)
  WHERE revoked_at IS NOT NULL AND unpublished_at < $1
    AND kid IN (SELECT unnest(publishes) FROM gone)`;

/** A removed replica may have served a key set without the next key until now, so validators know it later. */
const markPublishedLate = `
  UPDATE signing_keys SET published_late_at = greatest(published_late_at, $1)
  WHERE phase = 'next' AND published_at < $3
    AND EXISTS (SELECT FROM gone WHERE signing_keys.kid <> ALL (gone.publishes))`;

const REMOVE = `
  WITH gone AS (DELETE FROM replicas r WHERE r.id = $2 RETURNING r.*),
  revoked AS (${markUnpublishedLate}), next AS (${markPublishedLate})
  SELECT ${COLUMNS} FROM gone r`;

/** Most of these ended a day ago, and the switch has waited since. The next key is not marked. */
const REMOVE_SILENT = `
  WITH gone AS (DELETE FROM replicas r WHERE r.seen_at NOT BETWEEN $2 AND $3 RETURNING r.*),
  revoked AS (${markUnpublishedLate})
  SELECT ${COLUMNS} FROM gone r`;

/** A replica publishes a new key within ten seconds. One that needs longer was cut off. */
const LATE_AFTER_MS = 60_000;

/** The rows of the processes that share the database. */
@Injectable()
export class ReplicaRepository {
  async acknowledge(manager: EntityManager, replica: Replica): Promise<void> {
    const { id, hostName, processId, startedAt, seenAt, signsWith, publishes } = replica;
    const row = [id, hostName, processId, startedAt, seenAt, signsWith, publishes];
    await manager.query(ACKNOWLEDGE, row);
  }

  async heardOf(manager: EntityManager, { since, until }: Heard): Promise<Replica[]> {
    return manager.query<Replica[]>(
      `SELECT ${COLUMNS} FROM replicas r WHERE seen_at BETWEEN $1 AND $2 ORDER BY started_at, id`,
      [since, until],
    );
  }

  async list(manager: EntityManager, page: PageRequest): Promise<ListedReplica[]> {
    return manager.query<ListedReplica[]>(
      `SELECT ${LISTED} FROM replicas r WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2`,
      [page.after, rowsToFetch(page)],
    );
  }

  /** The replicas that have not acknowledged the wanted state of a key, by kid. */
  async notAcknowledgedByKid(
    manager: EntityManager,
    wanted: readonly WantedKey[],
    { since, until }: Heard,
  ): Promise<ReadonlyMap<string, NotAcknowledgedBy>> {
    type Row = Replica & { readonly kid: string; readonly total: number };
    const kids = wanted.map(({ kid }) => kid);
    const states = wanted.map(({ published }) => published);
    const rows = await manager.query<Row[]>(NOT_ACKNOWLEDGED, [kids, states, since, until]);
    const byKid = new Map<string, { total: number; named: Replica[] }>();
    for (const { kid, total, ...replica } of rows) {
      const ofKey = byKid.get(kid) ?? { total, named: [] };
      ofKey.named.push(replica);
      byKid.set(kid, ofKey);
    }
    return byKid;
  }

  /** How many of them publish a revoked key. */
  async countPublishingRevoked(manager: EntityManager, { since, until }: Heard): Promise<number> {
    const rows = await manager.query<{ replicas: number }[]>(
      `SELECT count(*)::int AS replicas FROM replicas r
       WHERE seen_at BETWEEN $1 AND $2 AND publishes && ARRAY(
         SELECT kid FROM signing_keys WHERE revoked_at IS NOT NULL AND unpublished_at IS NOT NULL)`,
      [since, until],
    );
    return rows[0]?.replicas ?? 0;
  }

  /** A replica began to publish these next keys late, so its validators know them later. */
  async markPublishedLate(
    manager: EntityManager,
    kids: readonly string[],
    at: Date,
  ): Promise<void> {
    await manager.query(
      `UPDATE signing_keys SET published_late_at = greatest(published_late_at, $2)
       WHERE kid = ANY ($1) AND phase = 'next' AND published_at < $3`,
      [kids, at, lateBefore(at)],
    );
  }

  /** A replica stopped publishing these revoked keys late, so its validators may trust them longer. */
  async markUnpublishedLate(
    manager: EntityManager,
    kids: readonly string[],
    at: Date,
  ): Promise<void> {
    await manager.query(
      `UPDATE signing_keys SET unpublished_late_at = greatest(unpublished_late_at, $2)
       WHERE kid = ANY ($1) AND revoked_at IS NOT NULL AND unpublished_at < $2`,
      [kids, at],
    );
  }

  /** @returns the removed row */
  async remove(manager: EntityManager, id: string, now: Date): Promise<Replica | null> {
    return (await manager.query<Replica[]>(REMOVE, [now, id, lateBefore(now)]))[0] ?? null;
  }

  async removeSilent(manager: EntityManager, heard: Heard, now: Date): Promise<void> {
    await manager.query(REMOVE_SILENT, [now, heard.since, heard.until]);
  }
}

/** A replica that does not yet publish a key from before this instant is late. */
function lateBefore(at: Date): Date {
  return new Date(at.getTime() - LATE_AFTER_MS);
}
