import { randomBytes, randomUUID } from 'node:crypto';
import { createTables, insert, instanceRow, licenseRow, type Tables, violating } from './rows.js';

const KEPT = { message: expect.stringMatching(/rows are kept for good/) as string };

let tables: Tables;
beforeAll(async () => {
  tables = await createTables(20);
});
afterAll(() => tables.drop());

async function newCode(about: Readonly<Record<string, unknown>> = {}) {
  const license = licenseRow();
  await insert(tables.pool, 'licenses', license);
  const code = {
    id: randomUUID(),
    license_id: license.id,
    digest: randomBytes(32),
    max_uses: 3,
    created_at: '2026-01-01T00:00:00Z',
    ...about,
  };
  await insert(tables.pool, 'activation_codes', code);
  return { code, licenseId: license.id };
}

async function newActivation(codeId: string, licenseId: string) {
  const instance = instanceRow(licenseId);
  await insert(tables.pool, 'instances', instance);
  const at = { activated_at: '2026-01-01T00:00:00Z', automated: false };
  return { activation_code_id: codeId, instance_id: instance.id, ...at };
}

describe('an activation code in the database', () => {
  it('is never used by more instances than it is for, however many come at once', async () => {
    const { code, licenseId } = await newCode();
    const rows = await Promise.all(
      Array.from({ length: 20 }, () => newActivation(code.id, licenseId)),
    );
    const outcomes = await Promise.allSettled(
      rows.map((row) => insert(tables.pool, 'activations', row)),
    );
    const lost = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    expect(lost).toHaveLength(17);
    for (const error of lost) expect(error).toMatchObject(violating('activation_codes_uses_check'));
    const used = 'SELECT uses FROM activation_codes WHERE id = $1';
    expect((await tables.pool.query(used, [code.id])).rows).toEqual([{ uses: 3 }]);
  });

  it('loses count without the constraint: it is what keeps the limit', async () => {
    const { code, licenseId } = await newCode();
    const client = await tables.pool.connect();
    await client.query('BEGIN');
    await client.query('ALTER TABLE activation_codes DROP CONSTRAINT activation_codes_uses_check');
    const rows = 'SELECT count(*)::int AS n FROM activations WHERE activation_code_id = $1';
    for (let n = 0; n < 4; n += 1) {
      const instance = instanceRow(licenseId);
      await insert(client, 'instances', instance);
      const at = { activated_at: '2026-01-01T00:00:00Z', automated: false };
      const row = { activation_code_id: code.id, instance_id: instance.id, ...at };
      await insert(client, 'activations', row);
    }
    expect((await client.query(rows, [code.id])).rows).toEqual([{ n: 4 }]);
    await client.query('ROLLBACK');
    client.release();
  });

  it('is used by an instance once', async () => {
    const { code, licenseId } = await newCode();
    const row = await newActivation(code.id, licenseId);
    await insert(tables.pool, 'activations', row);
    await expect(insert(tables.pool, 'activations', row)).rejects.toMatchObject(
      violating('activations_pkey'),
    );
  });

  it('has a digest of its own, of 32 bytes, and a count of at least one', async () => {
    const { code } = await newCode();
    await expect(newCode({ digest: code.digest })).rejects.toMatchObject(
      violating('activation_codes_digest_key'),
    );
    await expect(newCode({ digest: randomBytes(31) })).rejects.toMatchObject(
      violating('activation_codes_digest_check'),
    );
    await expect(newCode({ max_uses: 0 })).rejects.toMatchObject(
      violating('activation_codes_max_uses_check'),
    );
  });

  it('stays for good, and so does what it was used for', async () => {
    const { code, licenseId } = await newCode();
    const row = await newActivation(code.id, licenseId);
    await insert(tables.pool, 'activations', row);
    for (const sql of [
      `DELETE FROM activation_codes`,
      `DELETE FROM activations`,
      `UPDATE activations SET automated = true`,
      `TRUNCATE activations, activation_codes`,
    ]) {
      await expect(tables.pool.query(sql)).rejects.toMatchObject(KEPT);
    }
  });
});
