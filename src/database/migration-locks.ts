import type { Client, QueryResultRow } from 'pg';
import type { MigrationInterface } from 'typeorm';
import { codeOf } from '../platform/code-of.js';
import { DatabaseClient } from './client.js';
import { LIFT_LIMITS } from './session-settings.js';

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
      await runner.query(LIFT_LIMITS);
      await runner.query(`SET LOCAL lock_timeout = ${ms}`);
      await super.up(runner);
    }
  };
}

export function isLockRefused(error: unknown): boolean {
  return RETRYABLE.has(codeOf(error) ?? '');
}

/**
 * How a session of `pg_stat_activity` is named: without its statement, which may contain secrets. Another
 * role's address and times are only shown to members of pg_read_all_stats.
 */
const SESSION = `
  format('process %s (%s)', pid, concat_ws(', ', usename, nullif(application_name, ''),
    CASE WHEN xact_start IS NULL
         THEN 'idle since ' || to_char(state_change AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"')
         ELSE 'in a transaction since ' || to_char(xact_start AT TIME ZONE 'UTC', 'HH24:MI:SS "UTC"')
    END, 'from ' || client_addr))`;

const HOLDERS = `
  SELECT ${SESSION} AS holder
  FROM pg_stat_activity
  WHERE pid <> pg_backend_pid()
    AND coalesce(xact_start < clock_timestamp() - $1 * interval '1 millisecond', true)
    AND pid IN (
      SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation
      WHERE granted AND relnamespace = $2::regnamespace
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  ORDER BY xact_start LIMIT 5`;

/** The transactions that have held a table of ours for as long as the migration waited. */
export async function lockHolders(
  client: Client,
  schema: string,
  waitedMs: number,
): Promise<readonly string[]> {
  const inSchema = client.escapeIdentifier(schema);
  const { rows } = await client.query<{ holder: string }>(HOLDERS, [waitedMs, inSchema]);
  return rows.map(({ holder }) => holder);
}

const TRY_TURN = `SELECT pg_try_advisory_xact_lock(hashtext('cloud_connector_issuer.migrate')) AS locked`;

/** The whole key of an advisory lock is in two columns of 32 bits. */
const TURN_HOLDERS = `
  SELECT ${SESSION} AS holder, xact_start IS NULL AND state = 'idle' AS idle, pid
  FROM pg_stat_activity JOIN pg_locks USING (pid)
  WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = hashtext('cloud_connector_issuer.migrate')::bigint`;

/**
 * Begins a transaction in which nobody else migrates. The lock ends with the transaction, and so with the
 * process or its connection. A lock of a session would stay with the session of a pooler.
 */
export async function beginTurn(client: Client): Promise<boolean> {
  await client.query('BEGIN');
  const { rows } = await client.query<{ locked: boolean }>(TRY_TURN);
  if (rows[0]?.locked !== true) {
    await client.query('ROLLBACK');
    return false;
  }
  await client.query(LIFT_LIMITS);
  return true;
}

/** Who migrates now, as part of a sentence. A version before this one locked a session. */
export async function turnHolderAt(url: string): Promise<string> {
  type Holder = { holder: string; idle: boolean; pid: number };
  const [found] = await askOnce<Holder>(url, TURN_HOLDERS);
  if (!found) return '';
  return found.idle
    ? `${found.holder}, which does nothing: SELECT pg_terminate_backend(${found.pid}) ends it`
    : found.holder;
}

const BLOCKERS = `
  SELECT DISTINCT ${SESSION} AS holder FROM pg_stat_activity
  WHERE pid IN (
    SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND wait_event_type = 'Lock')
  LIMIT 5`;

/** Who holds up our sessions, as part of a sentence. */
export async function blockersAt(url: string): Promise<string> {
  const found = await askOnce<{ holder: string }>(url, BLOCKERS);
  return found.map(({ holder }) => holder).join('; ');
}

/** Asks on a connection of its own, because the others wait. */
async function askOnce<Row extends QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const timeouts = { connectionTimeoutMillis: 2000, query_timeout: 2000 };
  const client = new DatabaseClient({ connectionString: url, ...timeouts });
  try {
    await client.connect();
    return (await client.query<Row>(sql)).rows;
  } finally {
    void client.end().catch(() => undefined);
  }
}
