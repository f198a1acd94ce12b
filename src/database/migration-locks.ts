import type { Client } from 'pg';
import type { MigrationInterface } from 'typeorm';
import { codeOf } from '../platform/error-code.js';

type MigrationClass = new () => MigrationInterface;

/** SQLSTATE lock_not_available and deadlock_detected: nothing has happened, and it may work next time. */
const RETRYABLE = new Set(['55P03', '40P01']);

/** Somebody uses a table that a migration has to change. That passes, and no fault is to be mended. */
export class MigrationHeldUpError extends Error {
  override readonly name = 'MigrationHeldUpError';

  constructor(migration: string, holders: readonly string[]) {
    const who = holders.length > 0 ? holders.join('; ') : 'transactions that have ended since';
    super(
      `the migration ${migration} is held up by ${who}. It is tried again until the tables are ` +
        'free; nothing is issued by this replica before',
    );
  }
}

/**
 * The same migration, waiting no longer than this for a lock. Whoever waits for a table that others
 * read, a dump say, holds up every sync that comes after: it has to give up and let them pass.
 */
export function withLockTimeout(Migration: MigrationClass, ms: number): MigrationClass {
  return class extends Migration {
    override async up(...[runner]: Parameters<MigrationInterface['up']>): Promise<void> {
      await runner.query(`SET LOCAL lock_timeout = ${ms}`);
      await super.up(runner);
    }
  };
}

export function isLockRefused(error: unknown): boolean {
  return RETRYABLE.has(codeOf(error) ?? '');
}

/** Not their statements: those may hold what must not be logged. */
const HOLDERS = `
  SELECT format('process %s (%s)', pid, concat_ws(', ', usename, nullif(application_name, ''),
           'in a transaction since ' || to_char(xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"'))
         ) AS holder
  FROM pg_stat_activity
  WHERE pid <> pg_backend_pid()
    AND coalesce(xact_start < clock_timestamp() - $1 * interval '1 millisecond', true)
    AND pid IN (
      SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation
      WHERE granted AND relnamespace = 'public'::regnamespace
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  ORDER BY xact_start LIMIT 5`;

/** Whoever has held a table of ours for as long as the migration waited for one. */
export async function lockHolders(client: Client, waitedMs: number): Promise<readonly string[]> {
  const { rows } = await client.query<{ holder: string }>(HOLDERS, [waitedMs]);
  return rows.map(({ holder }) => holder);
}
