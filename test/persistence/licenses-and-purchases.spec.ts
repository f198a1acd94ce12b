import { randomBytes, randomUUID } from 'node:crypto';
import { Database } from '../../src/database/database.js';
import { registerPaidLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import {
  createTables,
  insert,
  instanceRow,
  isPending,
  licenseRow,
  namespacePurchaseRow,
  namespaceRow,
  purchaseRow,
  type Tables,
  violating,
} from './rows.js';

const KEPT = { message: expect.stringMatching(/rows are kept for good/) as string };
const UNVERSIONED = { message: expect.stringMatching(/count its version up by one/) as string };
const FULL = violating('add_on_purchases_assigned_seats_check');
const FOREIGN = {
  message: expect.stringMatching(/comes from the update of its license/) as string,
};
const REPLACE = `
  UPDATE licenses SET key_digest = $2, sealed_key = '\\x01', version = version + 1,
    updated_at = '2026-03-01T00:00:00Z', key_replaced_at = '2026-03-01T00:00:00Z',
    previous_key_valid_until = $3
  WHERE id = $1`;
const IN_A_WEEK = '2026-03-08T00:00:00Z';

let tables: Tables;

beforeAll(async () => {
  tables = await createTables(32);
});
afterAll(() => tables.drop());

describe('purchases of one add-on on one license', () => {
  it('never overlap: of twenty inserted at the same time, one wins and the rest are refused', async () => {
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

  it('take turns by license, so that the error is the overlap and never a deadlock', async () => {
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

  it('is never changed afterwards, and neither its rows nor those it describes are removed', async () => {
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

describe('licenses that renew one another', () => {
  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])(
    'never make a circle of two writes at once, under %s',
    async (level) => {
      const [one, other] = [await newLicense(), await newLicense()];
      // Between the two, so that the foreign key of the second write does not meet the first write.
      const between = licenseRow({ renews_license_id: one });
      await insert(tables.pool, 'licenses', between);
      const renew = 'UPDATE licenses SET renews_license_id = $2, version = 2 WHERE id = $1';
      const [first, second] = [await tables.pool.connect(), await tables.pool.connect()];
      for (const client of [first, second]) {
        await client.query(`BEGIN ISOLATION LEVEL ${level}`);
        await client.query('SELECT count(*) FROM licenses');
      }
      await first.query(renew, [one, other]);
      const late = second.query(renew, [other, between.id]);
      late.catch(() => undefined);
      await expect(isPending(late)).resolves.toBe(true);
      await first.query('COMMIT');
      await expect(late).rejects.toMatchObject(
        level === 'READ COMMITTED' ? violating('licenses_renewal_circle_check') : { code: '40001' },
      );
      await second.query('ROLLBACK');
      for (const client of [first, second]) client.release();
    },
  );

  it('are written down in the order of a dump, whichever comes first', async () => {
    const old = licenseRow();
    const renewal = licenseRow({ renews_license_id: old.id });
    const columns = Object.keys(renewal);
    const rows = [renewal, { ...old, renews_license_id: null }];
    const places = rows.map((_, row) => {
      const row_places = columns.map((__, n) => `$${row * columns.length + n + 1}`);
      return `(${row_places.join(', ')})`;
    });
    await tables.pool.query(
      `INSERT INTO licenses (${columns.join(', ')}) VALUES ${places.join(', ')}`,
      rows.flatMap((row: Record<string, unknown>) => columns.map((column) => row[column])),
    );
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
    ).rejects.toMatchObject(violating('instances_license_id_instance_uuid_key'));
    await expect(insert(tables.pool, 'instances', instanceRow(randomUUID()))).rejects.toMatchObject(
      violating('instances_license_id_fkey'),
    );
    await expect(tables.pool.query('DELETE FROM instances')).rejects.toMatchObject(KEPT);
    await expect(tables.pool.query('TRUNCATE instances CASCADE')).rejects.toMatchObject(KEPT);
  });
});

describe('a purchase', () => {
  it('belongs to a license or to a namespace, to exactly one', async () => {
    const license = licenseRow();
    await insert(tables.pool, 'licenses', license);
    const namespace_id = await newNamespace();
    const refused = (row: Record<string, unknown>) =>
      expect(insert(tables.pool, 'add_on_purchases', row)).rejects.toMatchObject(
        violating('add_on_purchases_owner_check'),
      );

    await refused(purchaseRow(license.id, { namespace_id }));
    await refused(purchaseRow(license.id, { license_id: null }));
    await insert(tables.pool, 'add_on_purchases', purchaseRow(license.id));
    await insert(tables.pool, 'add_on_purchases', namespacePurchaseRow(namespace_id));
  });

  it('belongs to a namespace that is known', async () => {
    await expect(
      insert(tables.pool, 'add_on_purchases', namespacePurchaseRow('nobody')),
    ).rejects.toMatchObject(violating('add_on_purchases_namespace_id_fkey'));
  });

  it('of a namespace never overlaps another: of twenty at once, one wins and the rest are refused', async () => {
    for (let round = 0; round < 5; round++) {
      const namespaceId = await newNamespace();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () =>
          insert(tables.pool, 'add_on_purchases', namespacePurchaseRow(namespaceId)),
        ),
      );
      const lost = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
      );
      expect(lost).toHaveLength(19);
      for (const error of lost) {
        expect(error).toMatchObject(violating('add_on_purchases_namespace_overlap_excl'));
      }
    }
  });

  it('has its owner in its history', async () => {
    const namespace_id = await newNamespace();
    const purchase = namespacePurchaseRow(namespace_id);
    await insert(tables.pool, 'add_on_purchases', purchase);
    const sql = `SELECT license_id, namespace_id, version FROM add_on_purchases_history WHERE id = $1`;
    expect((await tables.pool.query(sql, [purchase.id])).rows).toEqual([
      { license_id: null, namespace_id, version: 1 },
    ]);
  });
});

describe('a namespace', () => {
  it('keeps every plan that it ever had', async () => {
    const id = await newNamespace();
    const change = (set: string) =>
      tables.pool.query(`UPDATE namespaces SET ${set} WHERE id = $1`, [id]);
    await change(`plan = 'premium', version = 2`);
    await expect(change(`plan = 'ultimate'`)).rejects.toThrow(/count its version up by one/);
    const sql = 'SELECT plan FROM namespaces_history WHERE id = $1 ORDER BY version';
    expect((await tables.pool.query(sql, [id])).rows).toEqual([
      { plan: 'ultimate' },
      { plan: 'premium' },
    ]);
    for (const statement of [
      `UPDATE namespaces_history SET plan = 'gold'`,
      'DELETE FROM namespaces_history',
      'DELETE FROM namespaces',
      'TRUNCATE namespaces CASCADE',
    ]) {
      await expect(tables.pool.query(statement)).rejects.toThrow(/rows are kept for good/);
    }
  });
});

describe('seats', () => {
  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])(
    'are never more than the quantity under %s, in any order',
    async (level) => {
      const id = await newPurchase();
      const insertOne = async (user: number) => {
        const client = await tables.pool.connect();
        try {
          await client.query(`BEGIN ISOLATION LEVEL ${level}`);
          await client.query('SELECT count(*) FROM seat_assignments');
          await insert(client, 'seat_assignments', seat(id, String(user)));
          await client.query('COMMIT');
        } catch (error) {
          await client.query('ROLLBACK');
          throw error;
        } finally {
          client.release();
        }
      };
      await Promise.allSettled(Array.from({ length: 64 }, (_, user) => insertOne(user)));
      const first = await counted(id);
      expect(first?.held).toBeGreaterThan(0);
      expect(first?.held).toBeLessThanOrEqual(10);
      expect(first?.counted).toBe(first?.held);
    },
  );

  it('are refused after the last one', async () => {
    const id = await newPurchase();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, user) =>
        insert(tables.pool, 'seat_assignments', seat(id, String(user))),
      ),
    );
    const lost = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    expect(lost).toHaveLength(54);
    for (const error of lost) expect(error).toMatchObject(FULL);
    expect(await counted(id)).toEqual({ counted: 10, held: 10 });
  });

  it('are not assigned while the quantity falls below them, nor the other way round', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await newPurchase();
      for (const user of ['1', '2', '3', '4']) {
        await insert(tables.pool, 'seat_assignments', seat(id, user));
      }
      const sql = `UPDATE add_on_purchases SET quantity = 4, version = 2 WHERE id = $1`;
      const outcomes = await Promise.allSettled([
        insert(tables.pool, 'seat_assignments', seat(id, '5')),
        tables.pool.query(sql, [id]),
      ]);
      expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([
        { reason: FULL },
      ]);
    }
  });

  it('are one for each user, who may have another once it was released', async () => {
    const id = await newPurchase();
    const first = seat(id, '7');
    await insert(tables.pool, 'seat_assignments', first);
    await expect(insert(tables.pool, 'seat_assignments', seat(id, '7'))).rejects.toMatchObject(
      violating('seat_assignments_held_idx'),
    );
    const release = () =>
      tables.pool.query('UPDATE seat_assignments SET released_at = now() WHERE id = $1', [
        first.id,
      ]);
    await release();
    expect(await counted(id)).toEqual({ counted: 0, held: 0 });
    await expect(release()).rejects.toMatchObject(KEPT);
    await insert(tables.pool, 'seat_assignments', seat(id, '7'));
    expect(await counted(id)).toEqual({ counted: 1, held: 1 });
  });

  it('change in nothing but their release, and stay while they are held', async () => {
    const id = await newPurchase();
    await insert(tables.pool, 'seat_assignments', seat(id, '7'));
    for (const sql of [
      `UPDATE seat_assignments SET user_id = '8'`,
      `DELETE FROM seat_assignments WHERE released_at IS NULL`,
      'TRUNCATE seat_assignments',
    ]) {
      await expect(tables.pool.query(sql)).rejects.toMatchObject(KEPT);
    }
  });

  it('exist for two add-ons, which a purchase with seats keeps', async () => {
    const none = violating('add_on_purchases_seat_add_on_check');
    const core = await newPurchase({ add_on: 'duo_core' });
    await expect(insert(tables.pool, 'seat_assignments', seat(core, '7'))).rejects.toMatchObject(
      none,
    );
    const pro = await newPurchase();
    await insert(tables.pool, 'seat_assignments', seat(pro, '7'));
    await expect(
      tables.pool.query(
        `UPDATE add_on_purchases SET add_on = 'duo_core', version = 2 WHERE id = $1`,
        [pro],
      ),
    ).rejects.toMatchObject(none);
  });
});

describe('a previous license key', () => {
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

describe('the look-up of a sync', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it('is planned a few times and not for each sync, also where syncs come one by one', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    for (let count = 0; count < 30; count += 1) await instance.sync(['catalog']);
    // One after the other, they go over one connection, which is the one that is free now.
    const { rows } = await issuer.running.app.get(Database).pool.query<Prepared>(
      `SELECT generic_plans, custom_plans FROM pg_prepared_statements
         WHERE name LIKE 'license_look_up_%'`,
    );
    const [statement] = rows;
    expect(Number(statement?.generic_plans)).toBeGreaterThan(15);
    expect(Number(statement?.custom_plans)).toBeLessThanOrEqual(5);
  });
});

async function newLicense(): Promise<string> {
  const license = licenseRow();
  await insert(tables.pool, 'licenses', license);
  return license.id;
}

async function newNamespace(): Promise<string> {
  const namespace = namespaceRow();
  await insert(tables.pool, 'namespaces', namespace);
  return namespace.id;
}

async function newPurchase(row: Record<string, unknown> = {}): Promise<string> {
  const namespace = namespaceRow();
  await insert(tables.pool, 'namespaces', namespace);
  const purchase = namespacePurchaseRow(namespace.id, { quantity: 10, ...row });
  await insert(tables.pool, 'add_on_purchases', purchase);
  return purchase.id;
}

function seat(purchaseId: string, user: string) {
  const assigned_at = '2026-02-01T00:00:00Z';
  return { id: randomUUID(), add_on_purchase_id: purchaseId, user_id: user, assigned_at };
}

async function counted(purchaseId: string) {
  const { rows } = await tables.pool.query<{ counted: number; held: number }>(
    `SELECT assigned_seats AS counted, (SELECT count(*)::int FROM seat_assignments
       WHERE add_on_purchase_id = p.id AND released_at IS NULL) AS held
     FROM add_on_purchases p WHERE id = $1`,
    [purchaseId],
  );
  return rows[0];
}

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

interface Prepared {
  readonly generic_plans: string;
  readonly custom_plans: string;
}
