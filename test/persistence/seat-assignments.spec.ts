import { randomUUID } from 'node:crypto';
import {
  createTables,
  insert,
  namespacePurchaseRow,
  namespaceRow,
  type Tables,
  violating,
} from './rows.js';

const FULL = violating('add_on_purchases_assigned_seats_check');
const KEPT = { message: expect.stringMatching(/rows are kept for good/) as string };

let tables: Tables;
beforeAll(async () => {
  tables = await createTables(32);
});
afterAll(() => tables.drop());

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

describe('seats', () => {
  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])(
    'are never more than the quantity under %s, in whatever order they come and go',
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

  it('run out for whoever comes after the last', async () => {
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
