import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import type { FetchCount } from '../../src/signing-keys/fetch-counts.js';
import { KeySetFetchRepository } from '../../src/signing-keys/key-set-fetch.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { insert, keyRow, violating } from './rows.js';
import { Pool } from 'pg';

const EARLY = new Date('2026-06-15T12:00:00Z');
const repository = new KeySetFetchRepository();

let database: TestDatabase;
let dataSource: DataSource;
let pool: Pool;
beforeEach(async () => {
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.url });
  const config = { databaseUrl: database.url, databasePoolSize: 12, databaseTimeoutMs: 5000 };
  dataSource = await new DataSource(dataSourceOptions(config)).initialize();
});
afterEach(async () => {
  await dataSource.destroy();
  await pool.end();
  await database.drop();
});

/** Keys that were published at these instants, and never signed. */
async function publish(...instants: string[]): Promise<string[]> {
  const rows = instants.map((published_at) =>
    keyRow('retired', { published_at, signs_from: null }),
  );
  for (const row of rows) await insert(pool, 'signing_keys', row);
  return rows.map(({ kid }) => kid);
}

function count(newestKid: string, userAgent: string, network: string, at = EARLY): FetchCount {
  const instants = { firstFetchedAt: at, lastFetchedAt: at };
  return { newestKid, userAgent, network, fetches: 1, ...instants };
}

const add = (counts: readonly FetchCount[]) =>
  dataSource.transaction((manager) => repository.add(manager, counts));

async function stored(): Promise<{ rows: number; fetches: number }> {
  const { rows } = await pool.query<{ rows: number; fetches: number }>(
    'SELECT count(*)::int AS rows, sum(fetches)::int AS fetches FROM key_set_fetches',
  );
  return rows[0] ?? { rows: 0, fetches: 0 };
}

describe('fetches of a key set', () => {
  it('take two hundred rows at most, though replicas write at the same moment', async () => {
    const [kid = ''] = await publish('2026-06-15T10:00:00Z');
    const replica = (number: number) =>
      Array.from({ length: 190 }, (_, n) => count(kid, 'a', `10.${number}.${n}.0/24`));
    await Promise.all([1, 2, 3, 4].map((number) => add(replica(number))));
    expect(await stored()).toEqual({ rows: 200, fetches: 760 });
    await add([count(kid, 'late', '192.0.2.0/24'), count(kid, 'a', '10.1.0.0/24')]);
    expect(await stored()).toEqual({ rows: 200, fetches: 762 });
  });

  it('are shown for each key in the document: those published with the newest and before', async () => {
    const instants = ['2026-06-15T10:00:00Z', '2026-06-15T11:00:00Z', '2026-06-15T11:00:00Z'];
    const [old = '', one = '', other = ''] = await publish(...instants);
    const LATE = new Date('2026-06-15T13:00:00Z');
    await add([count(old, 'slow', '192.0.2.0/24'), count(old, 'quick', '192.0.2.0/24')]);
    await add([count(one, 'quick', '192.0.2.0/24', LATE)]);

    const told = await repository.ofKeys(dataSource.manager, [old, one, other, 'unknown']);
    const place = { network: '192.0.2.0/24', firstFetchedAt: EARLY, lastFetchedAt: EARLY };
    const slow = { ...place, userAgent: 'slow', fetches: 1 };
    const quick = { ...place, userAgent: 'quick', fetches: 2, lastFetchedAt: LATE };
    const since = { ...quick, fetches: 1, firstFetchedAt: LATE };
    expect(Object.fromEntries(told)).toEqual({
      [old]: { fetches: 3, clients: 2, latest: [quick, slow] },
      [one]: { fetches: 1, clients: 1, latest: [since] },
      [other]: { fetches: 1, clients: 1, latest: [since] },
    });
  });

  it('are shown with the twenty clients that came last, and the sum of all', async () => {
    const [kid = ''] = await publish('2026-06-15T10:00:00Z');
    const at = (n: number) => new Date(EARLY.getTime() + n * 1000);
    await add(Array.from({ length: 30 }, (_, n) => count(kid, `${n}`, `10.0.${n}.0/24`, at(n))));
    const told = (await repository.ofKeys(dataSource.manager, [kid])).get(kid);
    expect(told).toMatchObject({ fetches: 30, clients: 30 });
    expect(told?.latest.map(({ userAgent }) => Number(userAgent))).toEqual(
      Array.from({ length: 20 }, (_, n) => 29 - n),
    );
  });

  it('of keys that this database does not know are dropped, and hold up no others', async () => {
    const [kid = ''] = await publish('2026-06-15T10:00:00Z');
    await add([count('of-another-database', 'a', 'other'), count(kid, 'a', 'other')]);
    expect(await stored()).toEqual({ rows: 1, fetches: 1 });
  });

  it('have a name that is neither empty nor long, are at least one, and end after they begin', async () => {
    const [newest_kid = ''] = await publish('2026-06-15T10:00:00Z');
    const instants = { first_fetched_at: EARLY, last_fetched_at: EARLY };
    const row = { newest_kid, user_agent: 'a', network: 'other', fetches: 1, ...instants };
    for (const [column, wrong] of [
      ['user_agent', ''],
      ['user_agent', 'x'.repeat(121)],
      ['fetches', 0],
      ['last_fetched_at', new Date(EARLY.getTime() - 1)],
    ] as const) {
      const inserted = insert(pool, 'key_set_fetches', { ...row, [column]: wrong });
      await expect(inserted).rejects.toMatchObject(violating(`key_set_fetches_${column}_check`));
    }
    await insert(pool, 'key_set_fetches', row);
    const orphan = insert(pool, 'key_set_fetches', { ...row, newest_kid: 'nobody' });
    await expect(orphan).rejects.toMatchObject(violating('key_set_fetches_newest_kid_fkey'));
  });
});
