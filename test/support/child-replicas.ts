import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { buildIssuer, type ChildIssuer, startChildIssuer } from './child-issuer.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** Processes of the service that share a database and its secrets. */
export interface ChildReplicas {
  readonly database: TestDatabase;
  /** The test's own way into the database. */
  readonly pool: Pool;
  /** Starts one more and waits until it listens; variables of its own come last. */
  start(own?: Readonly<Record<string, string>>): Promise<ChildIssuer>;
  /** Ends all of them, frozen ones too; then the database goes. */
  remove(): Promise<void>;
}

/** Builds the service unless that is done: give the hook that calls this minutes. */
export async function childReplicas(
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildReplicas> {
  await buildIssuer();
  const shared = {
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    BOOTSTRAP_ADMIN_TOKEN: randomBytes(32).toString('base64url'),
    ...environment,
  };
  const database = await createTestDatabase();
  const pool = new Pool({ connectionString: database.url });
  // Tests end sessions from outside, and the database with those that are idle.
  pool.on('error', () => undefined);
  const replicas: ChildIssuer[] = [];
  return {
    database,
    pool,
    start: async (own = {}) => {
      const replica = await startChildIssuer(database.url, { ...shared, ...own });
      replicas.push(replica);
      await replica.listening;
      return replica;
    },
    remove: async () => {
      for (const { child } of replicas) child.kill('SIGCONT');
      await Promise.all(replicas.map((replica) => replica.remove()));
      await pool.end();
      await database.drop();
    },
  };
}

/** Makes the current and the next key older by `interval`. */
export function ageKeys(pool: Pool, interval: string): Promise<unknown> {
  return pool.query(
    `UPDATE signing_keys SET published_at = published_at - $1::interval,
       published_late_at = published_late_at - $1::interval,
       signs_from = signs_from - $1::interval WHERE phase <> 'retired'`,
    [interval],
  );
}
