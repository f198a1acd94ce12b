import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { Client } from 'pg';

const OLDEST_SERVER = 140_000;
const RETRY_MS = 50;
/** A server that hangs is asked again soon, for it may be back: within 3 s tokens are issued. */
const HANGS = { connectionTimeoutMillis: 2000, query_timeout: 5000 };
/** Migrations may take longer than a request may wait. */
const NO_TIMEOUT = { query_timeout: 0 };

/**
 * Brings the schema up to date over `directUrl`. Replicas that start together queue for one lock, a
 * session's: it needs a connection past a pooler, and ends with the session if this process dies.
 */
export async function migrate(options: DataSourceOptions, directUrl: string): Promise<void> {
  const lock = new Client({ connectionString: directUrl, ...HANGS });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await requireKnownServer(lock);
    while (!(await tryLock(lock))) await sleep(RETRY_MS);
    await runMigrations(options, directUrl);
  } finally {
    await lock.end();
  }
}

/** The names of the migrations that this database has not seen; looking changes nothing in it. */
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
  throw new Error('the database is older than Postgres 14: upgrade it, or use another');
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `SELECT pg_try_advisory_lock(hashtext('cloud_connector_issuer.migrate')) AS locked`,
  );
  return rows[0]?.locked === true;
}

async function runMigrations(options: DataSourceOptions, url: string): Promise<void> {
  const extra: unknown = { ...(options.extra as object | undefined), ...NO_TIMEOUT };
  const dataSource = new DataSource({ ...options, url, extra } as DataSourceOptions);
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
  } finally {
    await dataSource.destroy();
  }
}
