import { randomBytes } from 'node:crypto';
import { createTables, insert, isPending, licenseRow, violating, type Tables } from './rows.js';

const FOREIGN = {
  message: expect.stringMatching(/comes from the update of its license/) as string,
};
const REPLACE = `
  UPDATE licenses SET key_digest = $2, sealed_key = '\\x01', version = version + 1,
    updated_at = '2026-03-01T00:00:00Z', key_replaced_at = '2026-03-01T00:00:00Z',
    previous_key_valid_until = $3
  WHERE id = $1`;
const IN_A_WEEK = '2026-03-08T00:00:00Z';

describe('an old license key', () => {
  let tables: Tables;
  beforeAll(async () => {
    tables = await createTables();
  });
  afterAll(() => tables.drop());

  async function license(
    key_digest: Buffer = randomBytes(32),
  ): Promise<{ id: string; digest: Buffer }> {
    const row = licenseRow({ key_digest });
    await insert(tables.pool, 'licenses', row);
    return { id: row.id, digest: key_digest };
  }
  const replace = (
    id: string,
    digest: Buffer,
    until = IN_A_WEEK,
    on: Tables['pool'] = tables.pool,
  ) => on.query(REPLACE, [id, digest, until]);
  async function kept(id: string): Promise<unknown[]> {
    const sql = `SELECT digest, replaced_at, valid_until FROM replaced_license_keys WHERE license_id = $1`;
    return (await tables.pool.query<Record<string, unknown>>(sql, [id])).rows;
  }

  it('is kept by the database itself, until the end that its license names', async () => {
    const { id, digest } = await license();
    await replace(id, randomBytes(32));
    const times = {
      replaced_at: new Date('2026-03-01T00:00:00Z'),
      valid_until: new Date(IN_A_WEEK),
    };
    expect(await kept(id)).toEqual([{ digest, ...times }]);
  });

  it('is not kept when it ends at once', async () => {
    const { id } = await license();
    await replace(id, randomBytes(32), '2026-03-01T00:00:00Z');
    expect(await kept(id)).toEqual([]);
  });

  it('can be the key of no license, new or not, its own neither', async () => {
    const { id, digest } = await license();
    await replace(id, randomBytes(32));
    const taken = violating('licenses_replaced_key_check');
    await expect(license(digest)).rejects.toMatchObject(taken);
    await expect(replace((await license()).id, digest)).rejects.toMatchObject(taken);
    await expect(replace(id, digest)).rejects.toMatchObject(taken);
  });

  it('can be the key of a license again once its grace is over', async () => {
    const { id, digest } = await license();
    await replace(id, randomBytes(32));
    const early = licenseRow({ key_digest: digest, updated_at: '2026-03-07T23:59:59Z' });
    const taken = violating('licenses_replaced_key_check');
    await expect(insert(tables.pool, 'licenses', early)).rejects.toMatchObject(taken);
    await insert(tables.pool, 'licenses', { ...early, updated_at: IN_A_WEEK });
    expect(await kept(id)).toEqual([]);
  });

  it('is taken although the license that wants it came before the replacement was committed', async () => {
    const { id, digest } = await license();
    const first = await tables.pool.connect();
    await first.query('BEGIN');
    await first.query(REPLACE, [id, randomBytes(32), IN_A_WEEK]);
    const second = license(digest);
    expect(await isPending(second)).toBe(true);
    await first.query('COMMIT');
    first.release();
    await expect(second).rejects.toMatchObject(violating('licenses_replaced_key_check'));
  });

  it('is free when that replacement is taken back, and its license has it', async () => {
    const { id, digest } = await license();
    const first = await tables.pool.connect();
    await first.query('BEGIN');
    await first.query(REPLACE, [id, randomBytes(32), IN_A_WEEK]);
    const second = license(digest);
    expect(await isPending(second)).toBe(true);
    await first.query('ROLLBACK');
    first.release();
    await expect(second).rejects.toMatchObject(violating('licenses_key_digest_key'));
  });

  it('comes in by no other way, and changes neither its digest nor its license', async () => {
    const { id, digest } = await license();
    const other = await license();
    const times = { replaced_at: '2026-03-01T00:00:00Z', valid_until: IN_A_WEEK };
    const row = { digest: randomBytes(32), license_id: id, ...times };
    await expect(insert(tables.pool, 'replaced_license_keys', row)).rejects.toMatchObject(FOREIGN);
    await replace(id, randomBytes(32));
    for (const [column, value] of [
      ['digest', randomBytes(32)],
      ['license_id', other.id],
    ] as const) {
      const sql = `UPDATE replaced_license_keys SET ${column} = $1 WHERE digest = $2`;
      await expect(tables.pool.query(sql, [value, digest])).rejects.toMatchObject(FOREIGN);
    }
  });

  it('has an end after its replacement, and a license says both instants or neither', async () => {
    const { id } = await license();
    const check = violating('licenses_key_replaced_at_check');
    await expect(replace(id, randomBytes(32), '2026-02-28T00:00:00Z')).rejects.toMatchObject(check);
    const half = licenseRow({ key_replaced_at: '2026-03-01T00:00:00Z' });
    await expect(insert(tables.pool, 'licenses', half)).rejects.toMatchObject(check);
    await replace(id, randomBytes(32));
    await expect(
      tables.pool.query(
        `UPDATE replaced_license_keys SET valid_until = replaced_at WHERE license_id = $1`,
        [id],
      ),
    ).rejects.toMatchObject(violating('replaced_license_keys_valid_until_check'));
  });
});
