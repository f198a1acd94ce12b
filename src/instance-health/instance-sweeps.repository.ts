import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { TimeLeft } from '../domain/time-left.js';

/** What a sweep of all instances counted. */
export interface SweepResult {
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly seconds: number;
  /** Instances that hold a token but have not synced when it was due. */
  readonly overdue: number;
  readonly byTimeLeft: Readonly<Record<TimeLeft, number>>;
}

/** The last rows of the two history tables that were read. */
export interface ChangeCursor {
  readonly licenses: string;
  readonly purchases: string;
}

// By the database's clock, which is the same for all replicas. A replica that dies in a sweep holds the
// turn for 30 seconds at most.
const CLAIM = `
  UPDATE instance_sweeps
  SET claimed_by = $1, claimed_until = clock_timestamp() + interval '30 seconds'
  WHERE id = 1 AND (claimed_by IS NULL OR claimed_until < clock_timestamp())
    AND started_at IS NOT DISTINCT FROM $2`;

const KEEP = `
  UPDATE instance_sweeps SET claimed_until = clock_timestamp() + interval '30 seconds'
  WHERE id = 1 AND claimed_by = $1`;

const FINISH = `
  UPDATE instance_sweeps
  SET claimed_by = NULL, claimed_until = NULL, started_at = $2, finished_at = $3, seconds = $4,
      overdue = $5, by_time_left = $6
  WHERE id = 1 AND claimed_by = $1`;

const RELEASE = `
  UPDATE instance_sweeps SET claimed_by = NULL, claimed_until = NULL
  WHERE id = 1 AND claimed_by = $1`;

const LAST = `
  SELECT started_at AS "startedAt", finished_at AS "finishedAt", seconds, overdue,
         by_time_left AS "byTimeLeft"
  FROM instance_sweeps WHERE id = 1 AND finished_at IS NOT NULL`;

const WITH_EXCESS_SCOPES = `SELECT count(*)::int AS instances FROM instances WHERE excess_scopes_until > $1`;

const LAST_CHANGES = `
  SELECT coalesce((SELECT max(history_id) FROM licenses_history), 0) AS licenses,
         coalesce((SELECT max(history_id) FROM add_on_purchases_history), 0) AS purchases`;

const CHANGES = `
  WITH license AS (
    SELECT history_id, id FROM licenses_history WHERE history_id > $1 ORDER BY history_id LIMIT $3
  ), purchase AS (
    SELECT history_id, license_id FROM add_on_purchases_history
    WHERE history_id > $2 ORDER BY history_id LIMIT $3
  )
  SELECT coalesce((SELECT max(history_id) FROM license), $1) AS licenses,
         coalesce((SELECT max(history_id) FROM purchase), $2) AS purchases,
         ARRAY(SELECT id FROM license
               UNION SELECT license_id FROM purchase WHERE license_id IS NOT NULL) AS "licenseIds"`;

/** The turn to sweep, the counts of the last sweep, and the changes of licenses and purchases. */
@Injectable()
export class InstanceSweepsRepository {
  /**
   * Takes the turn after the sweep `last` for 30 seconds.
   * @returns false if another replica is sweeping, or has swept since
   */
  async claim(manager: EntityManager, sweeper: string, last: SweepResult | null): Promise<boolean> {
    return (await update(manager, CLAIM, [sweeper, last?.startedAt ?? null])) === 1;
  }

  /** Keeps the turn for another 30 seconds. @returns false if the turn had ended */
  async keep(manager: EntityManager, sweeper: string): Promise<boolean> {
    return (await update(manager, KEEP, [sweeper])) === 1;
  }

  /** Gives the turn back, with the counts. */
  async finish(manager: EntityManager, sweeper: string, sweep: SweepResult): Promise<void> {
    const { startedAt, finishedAt, seconds, overdue, byTimeLeft } = sweep;
    const counts = [overdue, JSON.stringify(byTimeLeft)];
    await update(manager, FINISH, [sweeper, startedAt, finishedAt, seconds, ...counts]);
  }

  async release(manager: EntityManager, sweeper: string): Promise<void> {
    await update(manager, RELEASE, [sweeper]);
  }

  /** Null before the first. */
  async last(manager: EntityManager): Promise<SweepResult | null> {
    const [sweep] = await manager.query<SweepResult[]>(LAST);
    return sweep ?? null;
  }

  /** How many instances hold a live token with excess scopes. */
  async withExcessScopes(manager: EntityManager, now: Date): Promise<number> {
    const [row] = await manager.query<{ instances: number }[]>(WITH_EXCESS_SCOPES, [now]);
    return row?.instances ?? 0;
  }

  async lastChanges(manager: EntityManager): Promise<ChangeCursor> {
    const [cursor] = await manager.query<ChangeCursor[]>(LAST_CHANGES);
    if (!cursor) throw new Error('asking for the last change returned no row');
    return cursor;
  }

  /** The licenses that changed since `cursor`, or whose purchases did, and the next cursor. */
  async changesSince(
    manager: EntityManager,
    cursor: ChangeCursor,
    limit: number,
  ): Promise<ChangeCursor & { readonly licenseIds: readonly string[] }> {
    const values = [cursor.licenses, cursor.purchases, limit];
    type Changes = ChangeCursor & { readonly licenseIds: string[] };
    const [changes] = await manager.query<Changes[]>(CHANGES, values);
    if (!changes) throw new Error('asking for changes returned no row');
    return changes;
  }
}

/** @returns how many rows it changed; TypeORM answers an update with the rows and their number */
async function update(manager: EntityManager, sql: string, values: unknown[]): Promise<number> {
  const [, changed] = await manager.query<[unknown[], number]>(sql, values);
  return changed;
}
