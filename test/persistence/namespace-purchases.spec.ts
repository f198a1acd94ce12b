import {
  createTables,
  insert,
  licenseRow,
  namespacePurchaseRow,
  namespaceRow,
  purchaseRow,
  type Tables,
  violating,
} from './rows.js';

let tables: Tables;
beforeAll(async () => {
  tables = await createTables(20);
});
afterAll(() => tables.drop());

async function newNamespace(): Promise<string> {
  const namespace = namespaceRow();
  await insert(tables.pool, 'namespaces', namespace);
  return namespace.id;
}

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

  it('of a namespace never overlaps another: of twenty at once, one wins and the rest are told', async () => {
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
