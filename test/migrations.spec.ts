import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { dataSourceOptions } from '../src/data-source.js';
import { insert, namespacePurchaseRow, namespaceRow } from './persistence/rows.js';
import { createTestDatabase, type TestDatabase } from './support/test-database.js';

/** Everything that is not the server's own, one line each. */
const SCHEMA = `
  WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = 'public')
  SELECT 'relation ' || relname || ' ' || relkind::text || coalesce(reloptions::text, '') AS line
    FROM pg_class WHERE relnamespace IN (SELECT oid FROM ours)
  UNION ALL SELECT concat_ws(' ', 'column', table_name, column_name, data_type, udt_name,
      is_nullable, column_default, is_identity, ordinal_position)
    FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace IN (SELECT oid FROM ours)
  UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace IN (SELECT oid FROM ours)
  UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE NOT tgisinternal AND relnamespace IN (SELECT oid FROM ours)
  UNION ALL SELECT 'function ' || pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours) AND prokind = 'f'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
  UNION ALL SELECT 'type ' || typname
    FROM pg_type WHERE typnamespace IN (SELECT oid FROM ours)
  UNION ALL SELECT 'extension ' || extname FROM pg_extension
  ORDER BY 1`;

const FOREIGN_KEYS_WITHOUT_INDEX = `
  SELECT conrelid::regclass || ': ' || conname AS line FROM pg_constraint fk
  WHERE contype = 'f' AND NOT EXISTS (
    SELECT FROM pg_index
    WHERE indrelid = conrelid AND indpred IS NULL
      AND (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)`;

describe('the migrations', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let empty: string[];
  let client: Client;

  beforeAll(async () => {
    database = await createTestDatabase({ template: 'template0' });
    dataSource = await new DataSource(dataSourceOptions(config())).initialize();
    client = new Client({ connectionString: database.url });
    await client.connect();
    empty = await lines(SCHEMA);
    await dataSource.runMigrations();
  });
  afterAll(async () => {
    await client.end();
    await dataSource.destroy();
    await database.drop();
  });

  it('make the tables that the entities describe, to the last constraint', async () => {
    const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log();

    expect([...upQueries, ...downQueries].map(({ query }) => query)).toEqual([]);
  });

  it('index every foreign key by the columns that it starts with', async () => {
    const [found] = await lines(`SELECT count(*) AS line FROM pg_constraint WHERE contype = 'f'`);
    expect(Number(found)).toBeGreaterThan(3);
    expect(await lines(FOREIGN_KEYS_WITHOUT_INDEX)).toEqual([]);
  });

  it('are each undone exactly, down to the empty database, and make the same schema again', async () => {
    const last = await lines(SCHEMA);
    const all = dataSourceOptions(config()).migrations as (new () => MigrationInterface)[];
    const without: string[][] = [];
    for (let count = all.length - 1; count >= 0; count--) {
      await dataSource.undoLastMigration();
      without.unshift(await lines(SCHEMA));
    }
    expect(without[0]?.filter((line) => !isBookkeeping(line))).toEqual(empty);

    for (let count = 1; count <= all.length; count++) {
      const upTo = new DataSource({
        ...dataSourceOptions(config()),
        migrations: all.slice(0, count),
      });
      await upTo.initialize();
      await upTo.runMigrations();
      await upTo.destroy();
      expect(await lines(SCHEMA)).toEqual(without[count] ?? last);
    }
    expect(last.length).toBeGreaterThan(empty.length + 100);
  });

  it('carry the seats over of purchases that were recorded before', async () => {
    const all = dataSourceOptions(config()).migrations as (new () => MigrationInterface)[];
    const last = all.findIndex(({ name }) => name.startsWith('LetSeatsFollow'));
    for (let count = all.length; count > last; count--) await dataSource.undoLastMigration();
    const [next, later] = [randomUUID(), randomUUID()];
    await insert(client, 'namespaces', namespaceRow({ id: '9' }));
    const bought = async (id: string, quantity: number, started_at: string, expires_on: string) => {
      const about = { id, quantity, started_at, expires_on };
      await insert(client, 'add_on_purchases', namespacePurchaseRow('9', about));
    };
    const old = randomUUID();
    await bought(later, 3, '9998-01-01', '9999-01-01');
    await bought(next, 2, '9997-01-01', '9998-01-01');
    await bought(old, 5, '2026-01-01', '9997-01-01');
    for (const [place, user_id] of ['9', '8', '7'].entries()) {
      const assigned_at = new Date(place);
      const seat = { id: randomUUID(), add_on_purchase_id: old, user_id, assigned_at };
      await insert(client, 'seat_assignments', seat);
    }
    await dataSource.runMigrations();
    const { rows } = await client.query(
      `SELECT add_on_purchase_id AS id, array_agg(user_id ORDER BY assigned_at) AS users,
         assigned_seats AS seats
       FROM seat_assignments JOIN add_on_purchases p ON p.id = add_on_purchase_id
       WHERE carried_from IS NOT NULL GROUP BY 1, 3`,
    );
    expect(rows).toHaveLength(2);
    for (const id of [next, later]) {
      expect(rows).toContainEqual({ id, users: ['9', '8'], seats: 2 });
    }
  });

  const config = () => ({
    databaseUrl: database.url,
    databasePoolSize: 4,
    databaseTimeoutMs: 5000,
  });

  async function lines(sql: string): Promise<string[]> {
    const { rows } = await client.query<{ line: string }>(sql);
    return rows.map(({ line }) => line);
  }
});

/** TypeORM's own list of the migrations that were run. */
function isBookkeeping(line: string): boolean {
  return /\b_?migrations(_id_seq)?\b|"?PK_[0-9a-f]+"?/.test(line);
}
