import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool } from 'pg';
import { DataSource, type DataSourceOptions, type MigrationInterface } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import { migrate } from '../../src/database/migrate.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { insert, tokenRow, violating } from './rows.js';

/** The ledger's last change that has to lock it, and what the ledger was before. */
const CHANGE = 'RecordSelfIssuedTokens1764300002000';
const NOON = new Date('2026-03-01T12:00:00Z');
/** Longer than any attempt of a migration waits, and shorter than the dump reads. */
const PATIENCE = '4s';
const UNCHECKED = `SELECT conrelid::regclass AS relation FROM pg_constraint
  WHERE conname = 'issued_tokens_owner_check' AND NOT convalidated`;

let database: TestDatabase;
let options: DataSourceOptions;
let pool: Pool;
let dump: Client;
let issuer: TestIssuer | null;
beforeEach(async () => {
  issuer = null;
  database = await createTestDatabase({ template: 'template0' });
  const config = { databaseUrl: database.url, databasePoolSize: 4, databaseTimeoutMs: 5000 };
  options = dataSourceOptions(config);
  await migrateBefore(CHANGE);
  // The rows' owners are not what this is about: without the triggers there need not be any.
  const settings = `-c session_replication_role=replica -c lock_timeout=${PATIENCE}`;
  pool = new Pool({ connectionString: database.url, options: settings });
  dump = new Client({ connectionString: database.url, application_name: 'a long dump' });
  await dump.connect();
  await pool.query('SELECT create_issued_tokens_partition($1)', [NOON]);
  await issue();
});
afterEach(async () => {
  await dump.end();
  await pool.end();
  await (issuer ? issuer.stop() : database.drop());
});

async function migrateBefore(name: string): Promise<void> {
  const all = options.migrations as (new () => MigrationInterface)[];
  const end = all.findIndex((Migration) => new Migration().name === name);
  const some = await new DataSource({ ...options, migrations: all.slice(0, end) }).initialize();
  await some.runMigrations();
  await some.destroy();
}

const issue = (row = {}, at = NOON) => insert(pool, 'issued_tokens', tokenRow(OWNERS, at, row));
/** A session's lock says so. */
const isMigrating = async () =>
  (
    await pool.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
  ).rowCount === 1;
const OWNERS = {
  licenseId: randomUUID(),
  instanceId: randomUUID(),
  kid: 'a key',
  scopeSetDigest: Buffer.alloc(32),
  catalogDigest: Buffer.alloc(32),
};

describe('an upgrade while somebody reads the ledger for long', () => {
  it('lets syncs pass, says who holds it up, and goes on when that one is done', async () => {
    await dump.query('BEGIN');
    await dump.query('SELECT count(*) FROM issued_tokens');

    const upgrade = startTestIssuer({ database });
    upgrade.catch(() => undefined);
    let issued = 1;
    for (const phase of [true, false]) {
      for (; (await isMigrating()) !== phase; issued += 1) {
        await issue();
        await sleep(20);
      }
    }
    await dump.query('COMMIT');
    issuer = await upgrade;
    expect(issuer.logs.join('')).toMatch(
      new RegExp(`migration ${CHANGE} is held up by process \\d+ \\(.*a long dump, in a transac`),
    );
    const { rows } = await pool.query('SELECT count(*)::int AS tokens FROM issued_tokens');
    expect(rows).toEqual([{ tokens: issued }]);
    expect((await pool.query(UNCHECKED)).rows).toEqual([]);
  });
});

describe('a ledger whose old rows are still to be checked', () => {
  it('checks the new ones of every day, and is checked beside a reader', async () => {
    await migrateBefore('ValidateLedgerOwners1764300003000');
    const tomorrow = new Date(NOON.getTime() + 86_400_000);
    await pool.query('SELECT create_issued_tokens_partition($1)', [tomorrow]);
    for (const day of [NOON, tomorrow]) {
      await expect(issue({ license_id: null }, day)).rejects.toMatchObject(
        violating('issued_tokens_owner_check'),
      );
    }
    expect((await pool.query(UNCHECKED)).rows).not.toEqual([]);

    await dump.query('BEGIN');
    await dump.query('SELECT count(*) FROM issued_tokens');
    await migrate(options, database.url);
    expect((await pool.query(UNCHECKED)).rows).toEqual([]);
  });
});
