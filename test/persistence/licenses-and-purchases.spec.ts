import { randomUUID } from 'node:crypto';
import {
  createTables,
  insert,
  instanceRow,
  isPending,
  licenseRow,
  purchaseRow,
  violating,
  type Tables,
} from './rows.js';

const KEPT = { message: expect.stringMatching(/rows are kept for good/) as string };
const UNVERSIONED = { message: expect.stringMatching(/count its version up by one/) as string };

let tables: Tables;
beforeAll(async () => {
  tables = await createTables(20);
});
afterAll(() => tables.drop());

async function newLicense(): Promise<string> {
  const license = licenseRow();
  await insert(tables.pool, 'licenses', license);
  return license.id;
}

describe('purchases of one add-on on one license', () => {
  it('never overlap: of twenty inserted at the same time, one wins and the rest are told', async () => {
    await Promise.all(Array.from({ length: 20 }, () => tables.pool.query('SELECT 1')));
    for (let round = 0; round < 5; round++) {
      const licenseId = await newLicense();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, day) =>
          insert(
            tables.pool,
            'add_on_purchases',
            purchaseRow(licenseId, { started_at: `2026-02-${String(day + 1).padStart(2, '0')}` }),
          ),
        ),
      );

      const lost = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
      );
      expect(lost).toHaveLength(19);
      // A deadlock would be an answer too, but none that says what is wrong.
      for (const error of lost) {
        expect(error).toMatchObject(violating('add_on_purchases_overlap_excl'));
      }
    }
  });

  it('take turns by license, so that none is told of a deadlock instead of the overlap', async () => {
    const licenseId = await newLicense();
    const first = await tables.pool.connect();
    await first.query('BEGIN');
    await insert(first, 'add_on_purchases', purchaseRow(licenseId));
    const second = insert(tables.pool, 'add_on_purchases', purchaseRow(licenseId));
    const elsewhere = insert(tables.pool, 'add_on_purchases', purchaseRow(await newLicense()));
    const other = purchaseRow(licenseId, { add_on: 'duo_core' });
    const third = insert(tables.pool, 'add_on_purchases', other);
    second.catch(() => undefined);

    await elsewhere;
    await expect(isPending(third)).resolves.toBe(true);
    await first.query('COMMIT');
    first.release();
    await third;
    await expect(second).rejects.toMatchObject(violating('add_on_purchases_overlap_excl'));
  });

  it('may touch, and a start that is not given is before every other', async () => {
    const licenseId = await newLicense();
    const bought = (started_at: string | null, expires_on: string) =>
      insert(tables.pool, 'add_on_purchases', purchaseRow(licenseId, { started_at, expires_on }));

    await bought(null, '2026-03-01');
    await bought('2026-03-01', '2026-04-01');
    await expect(bought('2020-01-01', '2020-01-02')).rejects.toMatchObject(
      violating('add_on_purchases_overlap_excl'),
    );
    await expect(bought('2026-03-31', '2026-05-01')).rejects.toMatchObject(
      violating('add_on_purchases_overlap_excl'),
    );
  });

  it('count only while they are not voided, and other add-ons and licenses do not matter', async () => {
    const licenseId = await newLicense();
    const first = purchaseRow(licenseId, { voided_at: '2026-01-01T00:00:00Z' });
    await insert(tables.pool, 'add_on_purchases', first);
    await insert(tables.pool, 'add_on_purchases', purchaseRow(licenseId));
    await insert(tables.pool, 'add_on_purchases', purchaseRow(licenseId, { add_on: 'duo_core' }));
    await insert(tables.pool, 'add_on_purchases', purchaseRow(await newLicense()));

    await expect(
      tables.pool.query(`UPDATE add_on_purchases SET voided_at = NULL, version = 2 WHERE id = $1`, [
        first.id,
      ]),
    ).rejects.toMatchObject(violating('add_on_purchases_overlap_excl'));
  });
});

describe.each(['licenses', 'add_on_purchases'])('the history of %s', (table) => {
  let id: string;
  beforeEach(async () => {
    const licenseId = await newLicense();
    const purchase = purchaseRow(licenseId);
    await insert(tables.pool, 'add_on_purchases', purchase);
    id = table === 'licenses' ? licenseId : purchase.id;
  });
  const change = (set: string) =>
    tables.pool.query(`UPDATE ${table} SET ${set} WHERE id = $1`, [id]);
  const history = async () => {
    const sql = `SELECT version, expires_on::text FROM ${table}_history WHERE id = $1 ORDER BY 1`;
    return (await tables.pool.query<{ version: number; expires_on: string }>(sql, [id])).rows;
  };

  it('has each version, written by the database itself', async () => {
    await change(`expires_on = '2028-01-01', version = 2`);
    await change(`expires_on = '2029-01-01', version = 3`);

    expect(await history()).toEqual([
      { version: 1, expires_on: '2027-01-01' },
      { version: 2, expires_on: '2028-01-01' },
      { version: 3, expires_on: '2029-01-01' },
    ]);
  });

  it('misses no change: one that does not count the version up by one is refused', async () => {
    await expect(change(`expires_on = '2028-01-01'`)).rejects.toMatchObject(UNVERSIONED);
    await expect(change(`expires_on = '2028-01-01', version = 3`)).rejects.toMatchObject(
      UNVERSIONED,
    );
    await change('version = version');
    expect(await history()).toHaveLength(1);
  });

  it('is never changed afterwards, nor are its rows or those it tells of removed', async () => {
    for (const sql of [
      `UPDATE ${table}_history SET expires_on = '2030-01-01'`,
      `DELETE FROM ${table}_history`,
      `TRUNCATE ${table}_history`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table} CASCADE`,
    ]) {
      await expect(tables.pool.query(sql)).rejects.toMatchObject(KEPT);
    }
  });
});

describe('a license', () => {
  it('can have its key sealed anew without a new version, and nothing else', async () => {
    const id = await newLicense();
    await tables.pool.query(`UPDATE licenses SET sealed_key = '\\x01' WHERE id = $1`, [id]);

    await expect(
      tables.pool.query(`UPDATE licenses SET sealed_key = '\\x02', seats = 6 WHERE id = $1`, [id]),
    ).rejects.toMatchObject(UNVERSIONED);
  });

  it('has a key, term and seats that make sense', async () => {
    const id = await newLicense();
    const [digest] = (
      await tables.pool.query('SELECT key_digest FROM licenses WHERE id = $1', [id])
    ).rows as { key_digest: Buffer }[];
    const refused = (row: Record<string, unknown>, constraint: string) =>
      expect(insert(tables.pool, 'licenses', licenseRow(row))).rejects.toMatchObject({
        constraint,
      });

    await refused({ key_digest: digest?.key_digest }, 'licenses_key_digest_key');
    await refused({ key_digest: Buffer.from('the key') }, 'licenses_key_digest_check');
    await refused({ expires_on: '2026-01-01' }, 'licenses_expires_on_check');
    await refused({ seats: 0 }, 'licenses_seats_check');
    await refused({ kind: 'cloud' }, 'licenses_kind_check');
    await refused({ revocation_reason: 'refunded' }, 'licenses_revocation_reason_check');
  });
});

describe('a purchase', () => {
  it('has a license, a quantity, and the name of the add-on by which it is sold today', async () => {
    const licenseId = await newLicense();
    const refused = (license: string, row: Record<string, unknown>, constraint: string) =>
      expect(
        insert(tables.pool, 'add_on_purchases', purchaseRow(license, row)),
      ).rejects.toMatchObject({ constraint });

    await refused(randomUUID(), {}, 'add_on_purchases_license_id_fkey');
    await refused(licenseId, { quantity: 0 }, 'add_on_purchases_quantity_check');
    await refused(licenseId, { add_on: 'code_suggestions' }, 'add_on_purchases_add_on_check');
    await refused(licenseId, { expires_on: '2025-12-31' }, 'add_on_purchases_expires_on_check');
    await insert(
      tables.pool,
      'add_on_purchases',
      purchaseRow(licenseId, { expires_on: '2026-01-01' }),
    );
  });
});

describe('an instance', () => {
  it('is known to a license once, and for good', async () => {
    const instance = instanceRow(await newLicense());
    await insert(tables.pool, 'instances', instance);

    await expect(
      insert(tables.pool, 'instances', { ...instance, id: randomUUID() }),
    ).rejects.toMatchObject(violating('instances_license_id_instance_id_key'));
    await expect(insert(tables.pool, 'instances', instanceRow(randomUUID()))).rejects.toMatchObject(
      violating('instances_license_id_fkey'),
    );
    await expect(tables.pool.query('DELETE FROM instances')).rejects.toMatchObject(KEPT);
    await expect(tables.pool.query('TRUNCATE instances CASCADE')).rejects.toMatchObject(KEPT);
  });
});
