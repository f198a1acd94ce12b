import { setTimeout as sleep } from 'node:timers/promises';
import {
  DataSource,
  type DataSourceOptions,
  type MigrationInterface,
  SimpleConsoleLogger,
} from 'typeorm';
import { Client } from 'pg';
import {
  isLockRefused,
  lockHolders,
  MigrationHeldUpError,
  withLockTimeout,
} from './migration-locks.js';

const OLDEST_SERVER = 140_000;
const RETRY_MS = 50;
/** A server that hangs is asked again soon, so that tokens are issued within 3 s of its return. */
const HANGS = { connectionTimeoutMillis: 2000, query_timeout: 5000 };
/** Migrations may take longer than a request may wait. */
const NO_TIMEOUT = { query_timeout: 0 };
/**
 * How long each attempt waits for a lock. Syncs wait behind it for as long. The last attempt waits for
 * more than a second, because Postgres then ends an autovacuum that is in the way.
 */
const LOCK_TIMEOUTS_MS = [250, 250, 250, 1250];
/** Syncs go on between two attempts. The pause is random, so that replicas and jobs do not fall in step. */
const pauseMs = () => 500 + Math.random() * 1000;

/** Logs on the console which migration failed. A migration that was held up has not failed. */
class MigrationLogger extends SimpleConsoleLogger {
  override logMigration(message: string): void {
    if (!message.endsWith('due to lock timeout')) super.logMigration(message);
  }
}

/**
 * Brings the schema up to date. Replicas that start together queue for one session lock, which ends with
 * the session if the process dies.
 * @param directUrl must not lead through a pooler, because of the session lock
 * @throws {MigrationHeldUpError} when tables stay in use for some seconds; then it can be called again
 */
export async function migrate(options: DataSourceOptions, directUrl: string): Promise<void> {
  const lock = new Client({ connectionString: directUrl, ...HANGS });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await requireKnownServer(lock);
    while (!(await tryLock(lock))) await sleep(RETRY_MS);
    await migrateBeside(lock, { ...options, url: directUrl } as DataSourceOptions);
  } finally {
    await lock.end();
  }
}

/** The names of the migrations that this database lacks. Only reads. */
export async function pendingMigrations(dataSource: DataSource): Promise<string[]> {
  const [found] = await dataSource.query<{ readonly migrated: boolean }[]>(
    `SELECT to_regclass('migrations') IS NOT NULL AS migrated`,
  );
  const done = found?.migrated
    ? await dataSource.query<{ readonly name: string }[]>('SELECT name FROM migrations')
    : [];
  const seen = new Set(done.map(({ name }) => name));
  return dataSource.migrations
    .map((migration) => migration.name ?? migration.constructor.name)
    .filter((name) => !seen.has(name));
}

async function requireKnownServer(client: Client): Promise<void> {
  const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
  if (Number(rows[0]?.server_version_num) >= OLDEST_SERVER) return;
  throw new Error('the database is older than Postgres 14: upgrade it, or use another one');
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `SELECT pg_try_advisory_lock(hashtext('cloud_connector_issuer.migrate')) AS locked`,
  );
  return rows[0]?.locked === true;
}

/** Runs the pending migrations. One that is held up lets the syncs pass before it tries again. */
async function migrateBeside(client: Client, options: DataSourceOptions): Promise<void> {
  let heldUp: MigrationHeldUpError | null = null;
  for (const lockTimeoutMs of LOCK_TIMEOUTS_MS) {
    if (heldUp) await sleep(pauseMs());
    heldUp = await runMigrations(client, options, lockTimeoutMs);
    if (!heldUp) return;
  }
  if (heldUp) throw heldUp;
}

async function runMigrations(
  client: Client,
  options: DataSourceOptions,
  lockTimeoutMs: number,
): Promise<MigrationHeldUpError | null> {
  const all = options.migrations as (new () => MigrationInterface)[];
  const migrations = all.map((migration) => withLockTimeout(migration, lockTimeoutMs));
  const extra: unknown = { ...(options.extra as object | undefined), ...NO_TIMEOUT };
  const logger = new MigrationLogger(false);
  const dataSource = new DataSource({ ...options, migrations, extra, logger });
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
    return null;
  } catch (error) {
    if (!isLockRefused(error)) throw error;
    const holders = await lockHolders(client, lockTimeoutMs);
    const [next] = await pendingMigrations(dataSource);
    return new MigrationHeldUpError(next ?? 'of this version', holders);
  } finally {
    await dataSource.destroy();
  }
}
