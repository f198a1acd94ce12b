import { setTimeout as sleep } from 'node:timers/promises';
import {
  DataSource,
  type DataSourceOptions,
  type MigrationInterface,
  SimpleConsoleLogger,
} from 'typeorm';
import { reportingWaits } from '../platform/report-waits.js';
import type { Logger } from '../platform/logging.js';
import { DatabaseClient } from './client.js';
import {
  beginTurn,
  isLockRefused,
  lockHolders,
  MigrationHeldUpError,
  turnHolderAt,
  withLockTimeout,
} from './migration-locks.js';
import { pinFunctions } from './pin-functions.js';
import { requireUsable } from './requirements.js';

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

export interface MigrationTarget {
  /** May lead through a pooler in transaction mode. */
  readonly url: string;
  /** The variable that names the database. */
  readonly setting: string;
  readonly logger: Logger;
}

/**
 * Brings the schema up to date. Replicas that start together queue for one lock. It ends with its
 * transaction, and so with the process.
 * @throws {DatabaseClosedError} when the database or the role is not as the service needs it
 * @throws {MigrationHeldUpError} when tables stay in use for some seconds; then it can be called again
 */
export async function migrate(
  options: DataSourceOptions,
  { url, setting, logger }: MigrationTarget,
): Promise<void> {
  const lock = new DatabaseClient({ connectionString: url, ...HANGS });
  await lock.connect();
  try {
    const timeoutMs = HANGS.query_timeout;
    const schema = await requireUsable(lock, { setting, timeoutMs, migrates: true });
    const extra = { ...(options.extra as object | undefined), ...NO_TIMEOUT, schema };
    const target = { ...options, url, extra } as DataSourceOptions;
    const waitForTurn = async () => {
      while (!(await beginTurn(lock))) await sleep(RETRY_MS);
    };
    const turn = 'the end of the migrations of another start';
    await reportingWaits(logger, turn, waitForTurn, () => turnHolderAt(url));
    await migrateBeside(lock, target, schema);
    await pinFunctions(lock, schema);
    await lock.query('COMMIT');
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

/** Runs the pending migrations. One that is held up lets the syncs pass before it tries again. */
async function migrateBeside(
  lock: DatabaseClient,
  options: DataSourceOptions,
  schema: string,
): Promise<void> {
  let heldUp: MigrationHeldUpError | null = null;
  for (const lockTimeoutMs of LOCK_TIMEOUTS_MS) {
    if (heldUp) await sleep(pauseMs());
    heldUp = await runMigrations(lock, options, schema, lockTimeoutMs);
    if (!heldUp) return;
  }
  if (heldUp) throw heldUp;
}

async function runMigrations(
  lock: DatabaseClient,
  options: DataSourceOptions,
  schema: string,
  lockTimeoutMs: number,
): Promise<MigrationHeldUpError | null> {
  const all = options.migrations as (new () => MigrationInterface)[];
  const migrations = all.map((migration) => withLockTimeout(migration, lockTimeoutMs));
  const logger = new MigrationLogger(false);
  const dataSource = new DataSource({ ...options, migrations, logger });
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
    return null;
  } catch (error) {
    if (!isLockRefused(error)) throw error;
    const holders = await lockHolders(lock, schema, lockTimeoutMs);
    const [next] = await pendingMigrations(dataSource);
    return new MigrationHeldUpError(next ?? 'of this version', holders);
  } finally {
    await dataSource.destroy();
  }
}
