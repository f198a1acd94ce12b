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
  });

  it('are never two in phase current, also when the one that stands by is promoted', async () => {
    await add(keyRow('current'));
    await add(keyRow('next'));
    const promote = `UPDATE signing_keys SET phase = 'current', signs_from = now() WHERE phase = 'next'`;
    await expect(tables.pool.query(promote)).rejects.toMatchObject(
      violating('signing_keys_current_idx'),
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

  it.each([
    ['retired', `phase = 'current', sealed_private_key = 'x', retired_at = NULL`],
    ['retired', `phase = 'next', sealed_private_key = 'x', retired_at = NULL, signs_from = NULL`],
    ['current', `phase = 'next', signs_from = NULL`],
  ] as const)('never go back from %s by %s', async (phase, change) => {
    await add(keyRow(phase));
    await expect(tables.pool.query(`UPDATE signing_keys SET ${change}`)).rejects.toThrow(/refused/);
  });

  it('are not published again once they are forgotten', async () => {
    await add(keyRow('retired', { unpublished_at: '2026-02-01T00:00:00Z' }));
    await expect(
      tables.pool.query('UPDATE signing_keys SET unpublished_at = NULL'),
    ).rejects.toThrow(/refused/);
  });

  it('sign only after they have been published for their lead, unless an outage is accepted', async () => {
    const lead = { lead_seconds: 3600, published_at: '2026-01-01T00:00:00Z' };
    const early = { ...lead, signs_from: '2026-01-01T00:59:59Z' };
    await expect(add(keyRow('current', early))).rejects.toMatchObject(
      violating('signing_keys_lead_check'),
    );
    await add(keyRow('retired', { ...early, outage_accepted: true }));
    await add(keyRow('current', { ...lead, signs_from: '2026-01-01T01:00:00Z' }));
  });

  it('sign only after the last replica has published them for their lead', async () => {
    const late = { lead_seconds: 3600, published_late_at: '2026-01-05T00:00:00Z' };
    await expect(
      add(keyRow('current', { ...late, signs_from: '2026-01-05T00:59:59Z' })),
    ).rejects.toMatchObject(violating('signing_keys_lead_check'));
    await add(keyRow('current', { ...late, signs_from: '2026-01-05T01:00:00Z' }));
  });

  it('are published late after they were published, and dropped late after they were forgotten', async () => {
    const early = { published_at: '2026-01-01T00:00:00Z' };
    await expect(
      add(keyRow('next', { ...early, published_late_at: '2025-12-31T23:59:59Z' })),
    ).rejects.toMatchObject(violating('signing_keys_published_late_at_check'));
    const forgotten = { unpublished_at: '2026-02-01T00:00:00Z' };
    await expect(
      add(keyRow('retired', { ...forgotten, unpublished_late_at: '2026-01-31T23:59:59Z' })),
    ).rejects.toMatchObject(violating('signing_keys_unpublished_late_at_check'));
    await add(keyRow('retired', { ...forgotten, unpublished_late_at: '2026-02-01T00:00:00Z' }));
  });

  it('stay published while a token of theirs lives, unless they are revoked', async () => {
    const used = { tokens_expire_by: '2026-02-01T00:00:00Z' };
    const early = { ...used, unpublished_at: '2026-01-31T23:59:59Z' };
    await expect(add(keyRow('retired', early))).rejects.toMatchObject(
      violating('signing_keys_tokens_expire_by_check'),
    );
    await add(keyRow('retired', { ...used, unpublished_at: '2026-02-01T00:00:00Z' }));
    await add(keyRow('retired', { ...early, revoked_at: '2026-01-31T00:00:00Z' }));
  });

  it('are revoked only when they sign no more', async () => {
    const revoked = { revoked_at: '2026-01-05T00:00:00Z' };
    const name = violating('signing_keys_revoked_at_check');
    await expect(add(keyRow('current', revoked))).rejects.toMatchObject(name);
    await expect(add(keyRow('retired', { revocation_reason: 'leaked' }))).rejects.toMatchObject(
      name,
    );
  });
});
