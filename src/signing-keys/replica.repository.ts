import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type PageRequest, rowsToFetch } from '../database/page.js';

/** A process of the service as it last acknowledged its keys. */
export interface Replica {
  readonly id: string;
  /** Null for one of a version that did not record it. */
  readonly hostName: string | null;
  readonly processId: number | null;
  readonly startedAt: Date;
  readonly seenAt: Date;
  readonly signsWith: string | null;
  readonly publishes: readonly string[];
}

/** A replica beside the keys as they stand in the database. */
export interface ListedReplica extends Replica {
  /** Published keys that it does not publish. */
  readonly lacks: readonly string[];
  /** Revoked and forgotten keys that it still publishes. */
  readonly stillPublishes: readonly string[];
}

/** Replicas that have not acknowledged a state of a key. */
export interface ReplicasBehind {
  readonly total: number;
  /** Those that were heard of last, `MOST_NAMED` at most. */
  readonly named: readonly Replica[];
}

/** What every replica should do with a key: publish it, or publish it no longer. */
export interface WantedKey {
  readonly kid: string;
  readonly published: boolean;
}

export interface Heard {
  readonly since: Date;
  readonly until: Date;
}

/** A container that restarts again and again leaves a row each time. */
export const MOST_NAMED = 10;
export const NOBODY_BEHIND: ReplicasBehind = { total: 0, named: [] };

const COLUMNS = `r.id, r.host_name AS "hostName", r.process_id AS "processId",
  r.started_at AS "startedAt", r.seen_at AS "seenAt", r.signs_with AS "signsWith", r.publishes`;

const LISTED = `${COLUMNS},
  ARRAY(SELECT kid FROM signing_keys WHERE unpublished_at IS NULL AND kid <> ALL (r.publishes)
        ORDER BY published_at, kid) AS lacks,
  ARRAY(SELECT kid FROM signing_keys WHERE unpublished_at IS NOT NULL AND kid = ANY (r.publishes)
        ORDER BY published_at, kid) AS "stillPublishes"`;

const ACKNOWLEDGE = `
  INSERT INTO replicas (id, host_name, process_id, started_at, seen_at, signs_with, publishes)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, signs_with = excluded.signs_with,
    publishes = excluded.publishes`;

const BEHIND = `
  SELECT kid, total, id, "hostName", "processId", "startedAt", "seenAt", "signsWith", publishes
  FROM (
    SELECT wanted.kid, ${COLUMNS}, count(*) OVER of_key::int AS total,
           row_number() OVER (of_key ORDER BY r.seen_at DESC, r.id) AS place
    FROM unnest($1::text[], $2::boolean[]) AS wanted (kid, published)
    JOIN replicas r ON (wanted.kid = ANY (r.publishes)) <> wanted.published
    WHERE r.seen_at BETWEEN $3 AND $4
    WINDOW of_key AS (PARTITION BY wanted.kid)
  ) behind
  WHERE place <= ${MOST_NAMED} ORDER BY kid, place`;

/** A replica that is gone may have published a revoked key until now: validators trust it accordingly. */
const droppedUntilNow = `
  UPDATE signing_keys SET unpublished_late_at = greatest(unpublished_late_at, $1)
  WHERE revoked_at IS NOT NULL AND unpublished_at < $1
    AND kid IN (SELECT unnest(publishes) FROM gone)`;

/** It may have served a key set without the standby until now: validators know that key only later. */
const lackedUntilNow = `
  UPDATE signing_keys SET published_late_at = greatest(published_late_at, $1)
  WHERE phase = 'next' AND published_at < $3
    AND EXISTS (SELECT FROM gone WHERE signing_keys.kid <> ALL (gone.publishes))`;

const REMOVE = `
  WITH gone AS (DELETE FROM replicas r WHERE r.id = $2 RETURNING r.*),
  dropped AS (${droppedUntilNow}), lacked AS (${lackedUntilNow})
  SELECT ${COLUMNS} FROM gone r`;

/** These are not known to be gone now: most ended a day ago, and the switch has waited since. */
const REMOVE_UNHEARD = `
  WITH gone AS (DELETE FROM replicas r WHERE r.seen_at NOT BETWEEN $2 AND $3 RETURNING r.*),
  dropped AS (${droppedUntilNow})
  SELECT ${COLUMNS} FROM gone r`;

/** A replica takes a new key over within ten seconds; one that needs longer was cut off. */
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

  /** Those that were heard of and have not acknowledged what is wanted, by kid; none is left out. */
  async behind(
    manager: EntityManager,
    wanted: readonly WantedKey[],
    { since, until }: Heard,
  ): Promise<ReadonlyMap<string, ReplicasBehind>> {
    type Row = Replica & { readonly kid: string; readonly total: number };
    const kids = wanted.map(({ kid }) => kid);
    const states = wanted.map(({ published }) => published);
    const rows = await manager.query<Row[]>(BEHIND, [kids, states, since, until]);
    const behind = new Map<string, { total: number; named: Replica[] }>();
    for (const { kid, total, ...replica } of rows) {
      const ofKey = behind.get(kid) ?? { total, named: [] };
      ofKey.named.push(replica);
      behind.set(kid, ofKey);
    }
    return behind;
  }

  /** How many of them publish a key that was revoked. */
  async publishingRevoked(manager: EntityManager, { since, until }: Heard): Promise<number> {
    const rows = await manager.query<{ replicas: number }[]>(
      `SELECT count(*)::int AS replicas FROM replicas r
       WHERE seen_at BETWEEN $1 AND $2 AND publishes && ARRAY(
         SELECT kid FROM signing_keys WHERE revoked_at IS NOT NULL AND unpublished_at IS NOT NULL)`,
      [since, until],
    );
    return rows[0]?.replicas ?? 0;
  }

  /** Validators know a standby that some replica began to publish late only that much later. */
  async publishedLate(manager: EntityManager, kids: readonly string[], at: Date): Promise<void> {
    await manager.query(
      `UPDATE signing_keys SET published_late_at = greatest(published_late_at, $2)
       WHERE kid = ANY ($1) AND phase = 'next' AND published_at < $3`,
      [kids, at, lateBefore(at)],
    );
  }

  async unpublishedLate(manager: EntityManager, kids: readonly string[], at: Date): Promise<void> {
    await manager.query(
      `UPDATE signing_keys SET unpublished_late_at = greatest(unpublished_late_at, $2)
       WHERE kid = ANY ($1) AND revoked_at IS NOT NULL AND unpublished_at < $2`,
      [kids, at],
    );
  }

  /** @returns the row as it was; null without one */
  async remove(manager: EntityManager, id: string, now: Date): Promise<Replica | null> {
    return (await manager.query<Replica[]>(REMOVE, [now, id, lateBefore(now)]))[0] ?? null;
  }

  async removeUnheard(manager: EntityManager, heard: Heard, now: Date): Promise<void> {
    await manager.query(REMOVE_UNHEARD, [now, heard.since, heard.until]);
  }
}

/** Who does not publish a key that is older than that is late. */
function lateBefore(at: Date): Date {
  return new Date(at.getTime() - LATE_AFTER_MS);
}
