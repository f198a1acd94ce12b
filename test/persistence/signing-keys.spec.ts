import { createTables, insert, keyRow, violating, type Tables } from './rows.js';

let tables: Tables;
beforeEach(async () => {
  tables = await createTables();
});
afterEach(() => tables.drop());

const add = (row: Readonly<Record<string, unknown>>) => insert(tables.pool, 'signing_keys', row);

describe('signing keys', () => {
  it.each(['current', 'next'] as const)('are never two in phase %s', async (phase) => {
    await add(keyRow(phase));
    await expect(add(keyRow(phase))).rejects.toMatchObject(violating(`signing_keys_${phase}_idx`));

    const other = keyRow('retired');
    await add(other);
    const promoted = `UPDATE signing_keys SET phase = $2, sealed_private_key = 'x', retired_at = NULL,
      signs_from = CASE WHEN $2 = 'current' THEN now() END WHERE kid = $1`;
    await expect(tables.pool.query(promoted, [other.kid, phase])).rejects.toMatchObject(
      violating(`signing_keys_${phase}_idx`),
    );
  });

  it('are any number once they are retired', async () => {
    await add(keyRow('retired'));
    await add(keyRow('retired'));
    await add(keyRow('retired', { unpublished_at: '2026-02-01T00:00:00Z' }));
  });

  it('have a private half exactly while they sign or are about to', async () => {
    const name = violating('signing_keys_sealed_private_key_check');
    const half = { sealed_private_key: Buffer.from('sealed') };
    await expect(add(keyRow('retired', half))).rejects.toMatchObject(name);
    await expect(add(keyRow('current', { sealed_private_key: null }))).rejects.toMatchObject(name);
    await expect(add(keyRow('next', { sealed_private_key: null }))).rejects.toMatchObject(name);

    const key = keyRow('current');
    await add(key);
    const retire = `UPDATE signing_keys SET phase = 'retired', retired_at = now()`;
    await expect(tables.pool.query(retire)).rejects.toMatchObject(name);
    await tables.pool.query(`${retire}, sealed_private_key = NULL`);
  });

  it('have the instants of their phase, and are unpublished only once they are retired', async () => {
    const cases = [
      [keyRow('next', { signs_from: '2026-01-02T00:00:00Z' }), 'signs_from'],
      [keyRow('current', { signs_from: null }), 'signs_from'],
      [keyRow('retired', { retired_at: null }), 'retired_at'],
      [keyRow('current', { retired_at: '2026-01-03T00:00:00Z' }), 'retired_at'],
      [keyRow('next', { unpublished_at: '2026-01-03T00:00:00Z' }), 'unpublished_at'],
      [keyRow('current', { public_jwk: { kid: 'another' } }), 'public_jwk'],
      [keyRow('current', { phase: 'old' }), 'phase'],
    ] as const;
    for (const [row, column] of cases) {
      await expect(add(row)).rejects.toMatchObject(violating(`signing_keys_${column}_check`));
    }
  });
});
