import { DataSource } from 'typeorm';
import { Pool } from 'pg';
import { dataSourceOptions } from '../../src/data-source.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { insert, instanceRow, licenseRow } from './rows.js';

/** The schema of the version that could not replace a key ends here. */
const LAST_MIGRATION = 'RevokeSelfIssuedTokens1764300004000';
/** The one after it, which is undone again at the end. */
const REPLACE_KEYS = 'ReplaceLicenseKeys1764400000000';

describe('licenses of the version before their keys could be replaced', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let pool: Pool;
  beforeAll(async () => {
    database = await createTestDatabase({ template: 'template0' });
    pool = new Pool({ connectionString: database.url, max: 2 });
    const config = { databaseUrl: database.url, databasePoolSize: 4, databaseTimeoutMs: 5000 };
    const options = dataSourceOptions(config);
    const all = options.migrations as (new () => { name: string })[];
    const names = all.map((Migration) => new Migration().name);
    const older = all.slice(0, names.indexOf(LAST_MIGRATION) + 1);
    await run(await new DataSource({ ...options, migrations: older }).initialize());
    const newer = all.slice(0, names.indexOf(REPLACE_KEYS) + 1);
    dataSource = new DataSource({ ...options, migrations: newer });
  });
  afterAll(async () => {
    await pool.end();
    if (dataSource.isInitialized) await dataSource.destroy();
    await database.drop();
  });

  async function run(source: DataSource): Promise<void> {
    await source.runMigrations();
    await source.destroy();
  }
  const rowsOf = async (sql: string, id: string) =>
    (await pool.query<Record<string, unknown>>(sql, [id])).rows;

  it('keep their key and their history, and can be given another key', async () => {
    const license = licenseRow();
    await insert(pool, 'licenses', license);
    await insert(pool, 'instances', instanceRow(license.id));
    const history = 'SELECT * FROM licenses_history WHERE id = $1 ORDER BY version';
    const [before] = await rowsOf(history, license.id);

    await dataSource.initialize();
    await dataSource.runMigrations();
    const nothing = { key_replaced_at: null, previous_key_valid_until: null };
    expect(await rowsOf(history, license.id)).toEqual([{ ...before, ...nothing }]);
    await pool.query(
      `UPDATE licenses SET key_digest = sha256('new'), version = 2, updated_at = '2026-03-01',
         key_replaced_at = '2026-03-01', previous_key_valid_until = '2026-03-08' WHERE id = $1`,
      [license.id],
    );
    const kept = 'SELECT digest FROM replaced_license_keys WHERE license_id = $1';
    expect(await rowsOf(kept, license.id)).toEqual([{ digest: license['key_digest'] }]);

    await dataSource.undoLastMigration();
    const digest = 'SELECT key_digest = sha256($$new$$) AS new FROM licenses WHERE id = $1';
    expect(await rowsOf(digest, license.id)).toEqual([{ new: true }]);
    const change = `UPDATE licenses SET seats = 7, version = 3 WHERE id = $1`;
    await pool.query(change, [license.id]);
    expect((await rowsOf(history, license.id)).map(({ version }) => version)).toEqual([1, 2, 3]);
  });
});
