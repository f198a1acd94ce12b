import type { Client } from 'pg';
import { DatabaseClosedError } from './database-closed.js';

/** A setting that would change an answer or its outcome, with the value that this service needs. */
interface Pinned {
  readonly name: string;
  readonly value: string;
  /** The values that need no change, as a regular expression. */
  readonly fine: string;
  /** Poolers know these of each client, because the server reports their changes. */
  readonly reported?: true;
  /** Behind a pooler such a limit may stay if it is longer than this service waits. */
  readonly limitMs?: true;
}

const limit = (name: string): Pinned => ({ name, value: '0', fine: '^0$', limitMs: true });

/**
 * What an administrator may set for a role or a database (`ALTER ROLE ... SET`), and what this service
 * sets back on each of its connections. The page docs/operate/database.md has the reasons, and the
 * settings that are left alone.
 */
export const PINNED_SETTINGS: readonly Pinned[] = [
  {
    name: 'default_transaction_isolation',
    value: 'read committed',
    fine: '^read (un)?committed$',
  },
  limit('statement_timeout'),
  limit('lock_timeout'),
  limit('transaction_timeout'), // From Postgres 17 on.
  limit('idle_in_transaction_session_timeout'),
  limit('idle_session_timeout'),
  { name: 'TimeZone', value: 'UTC', fine: '^(Etc/)?UTC$', reported: true },
  { name: 'DateStyle', value: 'ISO, YMD', fine: '^ISO', reported: true },
  { name: 'IntervalStyle', value: 'postgres', fine: '^postgres$', reported: true },
  { name: 'standard_conforming_strings', value: 'on', fine: '^on$', reported: true },
  { name: 'bytea_output', value: 'hex', fine: '^hex$' },
  { name: 'extra_float_digits', value: '1', fine: '^[123]$' },
  { name: 'quote_all_identifiers', value: 'off', fine: '^off$' },
  { name: 'array_nulls', value: 'on', fine: '^on$' },
  { name: 'exit_on_error', value: 'off', fine: '^off$' },
  // A token may not leave before its row in the ledger is durable.
  { name: 'synchronous_commit', value: 'on', fine: '^(on|local|remote_write|remote_apply)$' },
];

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const VALUES = PINNED_SETTINGS.map(
  ({ name, value, fine, reported }) =>
    `(${[name, value, fine].map(quoted).join(', ')}, ${reported ?? false})`,
).join(', ');

/**
 * Sets what is not as it has to be. A setting of a newer Postgres is unknown to an older one, and left out.
 * Behind a pooler in transaction mode a session belongs to nobody. There only those settings are changed
 * that the pooler keeps for each client, and the rest is checked when the service starts.
 */
const PIN = `
  SELECT coalesce(current_setting('session_replication_role') = 'replica', false) AS "withoutTriggers",
         (SELECT count(set_config(name, value, false))
          FROM (VALUES ${VALUES}) AS pinned (name, value, fine, reported)
          WHERE current_setting(name, true) !~ fine AND (reported OR pg_backend_pid() = $1)),
         CASE WHEN pg_backend_pid() = $1 AND $2::text IS NOT NULL
              THEN set_config('search_path', quote_ident($2), false) END`;

/**
 * Makes a new connection independent of what is set for its role and its database.
 * @param schema where the tables of this service are; null before that is known
 * @throws {DatabaseClosedError} when the session would run no triggers
 */
export async function pinSettings(client: Client, schema: string | null): Promise<void> {
  const values = [processIdOf(client), schema];
  const { rows } = await client.query<{ withoutTriggers: boolean }>(PIN, values);
  if (rows[0]?.withoutTriggers) {
    throw new DatabaseClosedError(
      'session_replication_role is replica for this role or database, so no trigger would run: ' +
        'reset it (ALTER ROLE ... RESET session_replication_role, or ALTER DATABASE ...)',
    );
  }
}

/** The number of the server's process, as the connection got it at its start. A pooler sends one of its own. */
export function processIdOf(client: Client): number | null {
  const processId: unknown = Reflect.get(client, 'processID');
  return typeof processId === 'number' ? processId : null;
}

const LIMITS = PINNED_SETTINGS.filter(({ limitMs }) => limitMs).map(
  ({ name }) => `(${quoted(name)})`,
);

/** Lifts every limit of time for the rest of the transaction. This holds behind a pooler as well. */
export const LIFT_LIMITS = `
  SELECT set_config(name, '0', true) FROM (VALUES ${LIMITS.join(', ')}) AS limits (name)
  WHERE current_setting(name, true) <> '0'`;
