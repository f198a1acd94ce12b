import { randomBytes, randomUUID } from 'node:crypto';
import {
  createTables,
  insert,
  insertIssuance,
  instanceRow,
  isPending,
  keyRow,
  licenseRow,
  tokenRow,
  violating,
  type Issuance,
  type Tables,
} from './rows.js';

const NOT_CURRENT = violating('issued_tokens_kid_current_check');
const RETIRE = `UPDATE signing_keys
  SET phase = 'retired', retired_at = now(), sealed_private_key = NULL WHERE phase = 'current'`;
const NOON = new Date('2026-03-01T12:00:00Z');

let tables: Tables;
let issuance: Issuance;
beforeEach(async () => {
  tables = await createTables(20);
  issuance = await insertIssuance(tables.pool);
  await createPartition('2026-03-01');
});
afterEach(() => tables.drop());

const createPartition = (day: string) =>
  tables.pool.query('SELECT create_issued_tokens_partition($1)', [day]);
const record = (row: Readonly<Record<string, unknown>>) =>
  insert(tables.pool, 'issued_tokens', row);
const recorded = async () =>
  (await tables.pool.query<{ kid: string }>('SELECT kid FROM issued_tokens')).rows;

describe('a row of the ledger', () => {
  it('names the current key, and no other', async () => {
    const [next, retired] = [keyRow('next'), keyRow('retired')];
    await insert(tables.pool, 'signing_keys', next);
    await insert(tables.pool, 'signing_keys', retired);

    await record(tokenRow(issuance, NOON));
    for (const kid of [next.kid, retired.kid, 'unheard of']) {
      await expect(record(tokenRow(issuance, NOON, { kid }))).rejects.toMatchObject(NOT_CURRENT);
    }
  });

  it('names an instance of its license, a known scope set and a known catalog', async () => {
    const stranger = licenseRow();
    const strangersInstance = instanceRow(stranger.id);
    await insert(tables.pool, 'licenses', stranger);
    await insert(tables.pool, 'instances', strangersInstance);

    for (const wrong of [
      { instance_id: randomUUID() },
      { instance_id: strangersInstance.id },
      { license_id: stranger.id },
      { scope_set_digest: randomBytes(32) },
      { catalog_digest: randomBytes(32) },
    ]) {
      await expect(record(tokenRow(issuance, NOON, wrong))).rejects.toMatchObject(
        violating('issued_tokens_references_check'),
      );
    }
  });

  it('is refused together with every other row of its batch', async () => {
    const [good, bad] = [tokenRow(issuance, NOON), tokenRow(issuance, NOON, { kid: 'unheard of' })];
    const columns = Object.keys(good).join(', ');
    const places = (from: number) => Object.keys(good).map((_, index) => `$${from + index}`);
    const rows = [good, bad].map((_, n) => `(${places(n * Object.keys(good).length + 1).join()})`);
    const values = [...Object.values(good), ...Object.values(bad)];

    await expect(
      tables.pool.query(`INSERT INTO issued_tokens (${columns}) VALUES ${rows.join()}`, values),
    ).rejects.toMatchObject(NOT_CURRENT);
    expect(await recorded()).toEqual([]);
  });

  it('refers to scope sets and catalogs that never change', async () => {
    for (const table of ['scope_sets', 'catalog_snapshots']) {
      for (const sql of [`UPDATE ${table} SET digest = ''`, `DELETE FROM ${table}`]) {
        await expect(tables.pool.query(sql)).rejects.toThrow('rows are kept for good');
      }
    }
  });
});

describe('a rotation beside the ledger', () => {
  it('waits for a row that is about to be committed', async () => {
    const session = await tables.pool.connect();
    await session.query('BEGIN');
    await insert(session, 'issued_tokens', tokenRow(issuance, NOON));

    const rotation = tables.pool.query(RETIRE);
    await expect(isPending(rotation)).resolves.toBe(true);
    await session.query('COMMIT');
    session.release();
    await rotation;
    expect(await recorded()).toEqual([{ kid: issuance.kid }]);
  });

  it('keeps rows of the old key out once it is committed', async () => {
    const session = await tables.pool.connect();
    await session.query('BEGIN');
    await session.query(RETIRE);

    const row = record(tokenRow(issuance, NOON));
    row.catch(() => undefined);
    await expect(isPending(row)).resolves.toBe(true);
    await session.query('COMMIT');
    session.release();
    await expect(row).rejects.toMatchObject(NOT_CURRENT);
    expect(await recorded()).toEqual([]);
  });

  it('does not make rows wait for each other', async () => {
    await record(tokenRow(issuance, NOON));
    const session = await tables.pool.connect();
    await session.query('BEGIN');
    await insert(session, 'issued_tokens', tokenRow(issuance, NOON));

    await record(tokenRow(issuance, NOON));
    await session.query('ROLLBACK');
    session.release();
  });
});

describe('the key of a token', () => {
  const expireBy = async () => {
    const sql = `SELECT tokens_expire_by FROM signing_keys WHERE kid = $1`;
    const { rows } = await tables.pool.query<{ tokens_expire_by: Date }>(sql, [issuance.kid]);
    return rows[0]?.tokens_expire_by.toISOString();
  };

  it('records to the minute when its last token expires, even under a wrong clock of the issuer', async () => {
    const expiring = (expiresAt: string) =>
      record(tokenRow(issuance, NOON, { expires_at: new Date(expiresAt) }));
    await expiring('2026-03-04T12:00:30Z');
    expect(await expireBy()).toBe('2026-03-04T12:01:00.000Z');
    await expiring('2026-03-04T12:01:00Z');
    await expiring('2026-03-02T00:00:00Z');
    expect(await expireBy()).toBe('2026-03-04T12:01:00.000Z');
    await expiring('2026-03-04T12:01:01Z');
    expect(await expireBy()).toBe('2026-03-04T12:02:00.000Z');
  });
});

describe('the days of the ledger', () => {
  const partitionOf = async (jti: string) => {
    const sql = `SELECT tableoid::regclass::text AS name FROM issued_tokens WHERE jti = $1`;
    return (await tables.pool.query<{ name: string }>(sql, [jti])).rows[0]?.name;
  };

  it('hold the tokens of their day, from its first millisecond to its last', async () => {
    await createPartition('2026-02-28');
    await createPartition('2026-03-02');
    for (const [instant, day] of [
      ['2026-02-28T23:59:59.999Z', '20260228'],
      ['2026-03-01T00:00:00.000Z', '20260301'],
      ['2026-03-01T23:59:59.999Z', '20260301'],
      ['2026-03-02T00:00:00.000Z', '20260302'],
    ] as const) {
      const row = tokenRow(issuance, new Date(instant));
      await record(row);
      await expect(partitionOf(row.jti)).resolves.toBe(`issued_tokens_${day}`);
    }
  });

  it('are not opened when a jti of another day is looked up', async () => {
    for (const day of ['2026-02-27', '2026-02-28', '2026-03-02']) await createPartition(day);
    const { jti } = tokenRow(issuance, NOON);
    const explain = `EXPLAIN SELECT * FROM issued_tokens WHERE jti = '${jti}'`;
    const { rows } = await tables.pool.query<{ 'QUERY PLAN': string }>(explain);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');

    const opened = plan.match(/\bissued_tokens_\d{8}\b/g) ?? [];
    expect([...new Set(opened)]).toEqual(['issued_tokens_20260301']);
    expect(plan).toContain('Index');
  });

  it('are made once, however many sessions make them at the same time', async () => {
    await Promise.all(Array.from({ length: 20 }, () => tables.pool.query('SELECT 1')));
    for (const day of ['2026-04-01', '2026-04-02', '2026-04-03']) {
      await Promise.all(Array.from({ length: 20 }, () => createPartition(day)));
    }
    const sql = `SELECT count(*)::int AS days FROM pg_inherits WHERE inhparent = 'issued_tokens'::regclass`;
    expect((await tables.pool.query(sql)).rows).toEqual([{ days: 4 }]);
  });

  it('refuse a token twice, and one that would be expired when it is issued', async () => {
    const row = tokenRow(issuance, NOON);
    await record(row);
    await expect(record(row)).rejects.toMatchObject({ code: '23505' });
    await expect(record(tokenRow(issuance, NOON, { expires_at: NOON }))).rejects.toMatchObject(
      violating('issued_tokens_expires_at_check'),
    );
  });
});
