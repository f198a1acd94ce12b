import { createTables, insert, instanceRow, licenseRow, type Tables, violating } from './rows.js';

describe('what is kept of sweeps', () => {
  let tables: Tables;
  beforeAll(async () => {
    tables = await createTables();
  });
  afterAll(() => tables.drop());

  it.each([
    [{ excess_scopes: ['a'] }],
    [{ excess_scopes_until: '2026-01-01T00:00:00Z' }],
    [{ excess_scopes: [], excess_scopes_until: '2026-01-01T00:00:00Z' }],
  ])('of an instance is whole: %j is refused', async (excess) => {
    const license = licenseRow();
    await insert(tables.pool, 'licenses', license);
    await expect(
      insert(tables.pool, 'instances', { ...instanceRow(license.id), ...excess }),
    ).rejects.toMatchObject(violating('instances_excess_scopes_check'));
  });

  it('is one row', async () => {
    const sweeps = insert(tables.pool, 'instance_sweeps', { id: 2 });
    await expect(sweeps).rejects.toMatchObject(violating('instance_sweeps_id_check'));
    const { rows } = await tables.pool.query('SELECT id FROM instance_sweeps');
    expect(rows).toEqual([{ id: 1 }]);
  });

  it.each([
    ['claimed_by = gen_random_uuid()', 'instance_sweeps_claimed_by_check'],
    ['claimed_until = now()', 'instance_sweeps_claimed_by_check'],
    ['finished_at = now()', 'instance_sweeps_finished_at_check'],
    ['started_at = now(), finished_at = now(), overdue = 0', 'instance_sweeps_finished_at_check'],
  ])('is whole: %s is refused', async (half, constraint) => {
    const update = tables.pool.query(`UPDATE instance_sweeps SET ${half}`);
    await expect(update).rejects.toMatchObject(violating(constraint));
  });

  it('puts no index on what a sync updates, so that its update stays in its page', async () => {
    const { rows } = await tables.pool.query(`
      SELECT indexrelid::regclass FROM pg_index i
      JOIN pg_attribute a ON attrelid = indrelid AND attnum = ANY (indkey)
      WHERE indrelid = 'instances'::regclass
        AND attname NOT IN ('id', 'license_id', 'instance_uuid')`);
    expect(rows).toEqual([]);
  });
});
