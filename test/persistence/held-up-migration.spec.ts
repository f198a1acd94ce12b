import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool } from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { insert, instanceRow, licenseRow } from './rows.js';

/** A migration that has to lock a table that every sync writes to: it refers to the instances. */
const CHANGE = 'CreateActivationCodes1765000008000';
/** Longer than any attempt of a migration waits, and shorter than the import takes. */
const PATIENCE = '4s';

/** A row of `instances` before a later migration renamed its column. */
function olderInstanceRow(licenseId: string) {
  const { instance_uuid: instance_id, ...row } = instanceRow(licenseId);
  return { ...row, instance_id };
}

describe('an upgrade while another transaction uses a table for long', () => {
  let database: TestDatabase;
  let pool: Pool;
  let longImport: Client;
  let issuer: TestIssuer | null;
  const license = licenseRow();
  const instance = olderInstanceRow(license.id);
  beforeAll(async () => {
    issuer = null;
    database = await createTestDatabase({ template: 'template0' });
    await migrateBefore(CHANGE);
    pool = new Pool({ connectionString: database.url, options: `-c lock_timeout=${PATIENCE}` });
    longImport = new Client({ connectionString: database.url, application_name: 'a long import' });
    await longImport.connect();
    await insert(pool, 'licenses', license);
    await insert(pool, 'instances', instance);
  });
  afterAll(async () => {
    await longImport.end();
    await pool.end();
    await (issuer ? issuer.stop() : database.drop());
  });

  async function migrateBefore(name: string): Promise<void> {
    const config = { databaseUrl: database.url, databasePoolSize: 4, databaseTimeoutMs: 5000 };
    const options = dataSourceOptions(config);
    const all = options.migrations as (new () => MigrationInterface)[];
    const end = all.findIndex((Migration) => new Migration().name === name);
    const older = await new DataSource({
      ...options,
      migrations: all.slice(0, end),
    }).initialize();
    await older.runMigrations();
    await older.destroy();
  }

  /** The lock of a session is the lock under which a process migrates. */
  const isMigrating = async () =>
    (
      await pool.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
    ).rowCount === 1;
  const writeAsSync = () =>
    pool.query('UPDATE instances SET last_sync_at = now() WHERE id = $1', [instance.id]);

  it('lets syncs pass, names who holds it up, and goes on when that one is done', async () => {
    await longImport.query('BEGIN');
    await insert(longImport, 'instances', olderInstanceRow(license.id));

    const upgrade = startTestIssuer({ database });
    upgrade.catch(() => undefined);
    let syncs = 0;
    for (const phase of [true, false]) {
      for (; (await isMigrating()) !== phase; syncs += 1) {
        await writeAsSync();
        await sleep(20);
      }
    }
    await longImport.query('COMMIT');
    issuer = await upgrade;
    expect(issuer.logs.join('')).toMatch(
      new RegExp(`migration ${CHANGE} is held up by process \\d+ \\(.*a long import, in a transac`),
    );
    expect(syncs).toBeGreaterThan(20);
    const { rows } = await pool.query('SELECT count(*)::int AS migrated FROM activation_codes');
    expect(rows).toEqual([{ migrated: 0 }]);
  });

  it('says which step of a start waits, and who holds it up', async () => {
    if (!issuer) throw new Error('the upgrade has not ended');
    await longImport.query(`SELECT pg_advisory_lock(hashtext('create_issued_tokens_partition'))`);
    const logs: string[] = [];
    const starting = startTestIssuer({ sharing: issuer, onLog: (line) => logs.push(line) });
    const wait =
      /has waited \d+ s for the ledger's days, held up by process \d+ \(.*a long import, idle since/;
    while (!wait.test(logs.join(''))) await sleep(50);
    await longImport.query('SELECT pg_advisory_unlock_all()');
    await (await starting).stop();
  });
});
