import type { Client } from 'pg';
import type { MigrationInterface } from 'typeorm';
import { codeOf } from '../platform/error-code.js';

type MigrationClass = new () => MigrationInterface;

/** SQLSTATE lock_not_available and deadlock_detected: nothing was changed, and a retry may succeed. */
const RETRYABLE = new Set(['55P03', '40P01']);

/** A migration has to change a table that is in use. This passes by itself. */
export class MigrationHeldUpError extends Error {
  override readonly name = 'MigrationHeldUpError';

  constructor(migration: string, holders: readonly string[]) {
    const who = holders.length > 0 ? holders.join('; ') : 'transactions that have ended since';
    super(
      `the migration ${migration} is held up by ${who}. This replica tries again until the tables ` +
        'are free, and issues nothing before',
    );
  }
}

/**
 * The same migration, with a limit on how long it waits for a lock. A migration that waits for a table
 * that others use, such as a dump, holds up every later sync. So it has to give up and let them pass.
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

/** Without their statements, which may contain secrets. */
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

/** The transactions that have held a table of ours for as long as the migration waited. */
export async function lockHolders(client: Client, waitedMs: number): Promise<readonly string[]> {
  const { rows } = await client.query<{ holder: string }>(HOLDERS, [waitedMs]);
  return rows.map(({ holder }) => holder);
}
