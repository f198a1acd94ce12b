import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import {
  createTables,
  insert,
  insertIssuance,
  instanceRow,
  isPending,
  licenseRow,
  tokenRow,
  violating,
  type Issuance,
  type Tables,
} from './rows.js';

type Row = Readonly<Record<string, unknown>>;

const NOON = new Date('2026-03-01T12:00:00Z');
const REVOKED = violating('issued_tokens_revoked_check');
const RESTORE = `UPDATE service_token_revocations
  SET restored_at = now(), restored_by = 'ada' WHERE id = $1`;

let tables: Tables;
let issuance: Issuance;
beforeEach(async () => {
  tables = await createTables(20);
  issuance = await insertIssuance(tables.pool);
  await tables.pool.query(`SELECT create_issued_tokens_partition('2026-03-01')`);
});
afterEach(() => tables.drop());

const SUBJECTS: Readonly<Record<string, string>> = {
  ...{ jti: 'token', license_id: 'license', user_id: 'user', namespace_id: 'namespace' },
};

function revocationRow(of: Row): Row & { readonly id: string } {
  const [column = ''] = Object.keys(of);
  const subject = SUBJECTS[column] ?? 'instance';
  const who = { revoked_at: NOON, revoked_by: 'bootstrap', revoked_tokens: 0 };
  return { id: randomUUID(), subject, ...who, ...of };
}
async function revoke(of: Row): Promise<string> {
  const row = revocationRow(of);
  await insert(tables.pool, 'service_token_revocations', row);
  return row.id;
}
const issue = () => insert(tables.pool, 'issued_tokens', tokenRow(issuance, NOON));
const ofLicense = () => ({ license_id: issuance.licenseId });
const ofInstance = () => ({ instance_id: issuance.instanceId });

describe('a revocation of service tokens', () => {
  it.each([
    ['nobody', {}, 'subject'],
    ['two at once', { jti: randomUUID(), license_id: 'license' }, 'subject'],
    ['another than it says', { subject: 'token', license_id: 'license' }, 'subject'],
    ['what nobody knows', { subject: 'realm', license_id: 'license' }, 'subject'],
    ['tokens that end never', { license_id: 'license', revoked_tokens: 1 }, 'revoked_tokens'],
    ['no tokens that end', { license_id: 'license', last_expires_at: NOON }, 'revoked_tokens'],
    [
      'a token, for a while',
      { jti: randomUUID(), restored_at: NOON, restored_by: 'a' },
      'restored_at',
    ],
    ['a user and a namespace', { user_id: '7', namespace_id: '9' }, 'subject'],
    ['a user who is a namespace', { user_id: '7', subject: 'namespace' }, 'subject'],
    ['a user, for a while', { user_id: '7', restored_at: NOON, restored_by: 'a' }, 'restored_at'],
    [
      'a namespace, for a while',
      { namespace_id: '9', restored_at: NOON, restored_by: 'a' },
      'restored_at',
    ],
    ['a license, lifted by nobody', { license_id: 'license', restored_at: NOON }, 'restored_at'],
    [
      'a license, lifted never but for a reason',
      { license_id: 'license', restore_reason: 'a' },
      'restored_at',
    ],
  ])('is not of %s', async (_what, of, check) => {
    const known = 'license_id' in of ? { ...of, ...ofLicense() } : of;
    await expect(revoke(known)).rejects.toMatchObject(
      violating(`service_token_revocations_${check}_check`),
    );
  });

  it('is of a license and an instance that exist', async () => {
    for (const column of ['license_id', 'instance_id']) {
      await expect(revoke({ [column]: randomUUID() })).rejects.toMatchObject(
        violating(`service_token_revocations_${column}_fkey`),
      );
    }
  });

  it('stands once for each license and each instance, until it is restored', async () => {
    for (const [of, index] of [
      [ofLicense(), 'license_id_active_idx'],
      [ofInstance(), 'instance_id_active_idx'],
    ] as const) {
      const id = await revoke(of);
      await expect(revoke(of)).rejects.toMatchObject(
        violating(`service_token_revocations_${index}`),
      );
      await tables.pool.query(RESTORE, [id]);
      await revoke(of);
    }
  });

  it('of a token is there once and for good', async () => {
    const jti = randomUUID();
    await revoke({ jti });
    await expect(revoke({ jti })).rejects.toMatchObject(
      violating('service_token_revocations_jti_idx'),
    );
  });

  it('is never deleted, and changed by nothing but being restored, once', async () => {
    const id = await revoke(ofLicense());
    const change = (set: string) =>
      tables.pool.query(`UPDATE service_token_revocations SET ${set} WHERE id = $1`, [id]);
    const kept = 'rows are kept for good';
    await expect(tables.pool.query('DELETE FROM service_token_revocations')).rejects.toThrow(kept);
    await expect(tables.pool.query('TRUNCATE service_token_revocations')).rejects.toThrow(kept);
    await expect(change(`reason = 'another'`)).rejects.toThrow(kept);
    await expect(change(`revoked_by = 'nobody'`)).rejects.toThrow(kept);
    await tables.pool.query(RESTORE, [id]);
    await expect(tables.pool.query(RESTORE, [id])).rejects.toThrow(kept);
    await expect(change('restored_at = NULL, restored_by = NULL')).rejects.toThrow(kept);
  });

  it('tells the replicas when it is made and when it is restored', async () => {
    const listener = new Client({ connectionString: tables.pool.options.connectionString });
    await listener.connect();
    const heard: string[] = [];
    listener.on('notification', ({ channel }) => heard.push(channel));
    await listener.query('LISTEN service_token_revocations');
    const id = await revoke(ofLicense());
    await tables.pool.query(RESTORE, [id]);
    await listener.query('SELECT 1');
    await listener.end();
    expect(heard).toEqual(['service_token_revocations', 'service_token_revocations']);
  });
});

describe('the ledger beside revocations', () => {
  it.each([
    ['license', ofLicense],
    ['instance', ofInstance],
  ])('takes no token of a revoked %s until it is restored', async (_what, of) => {
    await issue();
    const id = await revoke(of());
    await expect(issue()).rejects.toMatchObject(REVOKED);
    await tables.pool.query(RESTORE, [id]);
    await issue();
  });

  it('names the tokens of a batch for which it refuses it, and only those', async () => {
    const license = licenseRow();
    const instance = instanceRow(license.id);
    await insert(tables.pool, 'licenses', license);
    await insert(tables.pool, 'instances', instance);
    await revoke({ license_id: license.id });
    const fine = tokenRow(issuance, NOON);
    const refused = [1, 2].map(() =>
      tokenRow({ ...issuance, licenseId: license.id, instanceId: instance.id }, NOON),
    );
    const rows = [refused[0], fine, refused[1]].flatMap((row) => (row ? [row] : []));
    const columns = Object.keys(fine);
    const places = rows.map(
      (_row, n) => `(${columns.map((_, m) => `$${n * columns.length + m + 1}`).join()})`,
    );
    const batch = tables.pool.query(
      `INSERT INTO issued_tokens (${columns.join()}) VALUES ${places.join()}`,
      rows.flatMap((row) => Object.values(row)),
    );
    const error = (await batch.catch((thrown: unknown) => thrown)) as { detail: string };
    expect(error).toMatchObject(REVOKED);
    expect(error.detail.split(' ').sort()).toEqual(refused.map(({ jti }) => jti).sort());
  });

  it('is not kept from taking tokens by the revocation of one of them', async () => {
    await revoke({ jti: randomUUID() });
    await issue();
  });
});

describe('check, then revoke (Keycloak CVE-2026-1035)', () => {
  const LIVE = 'SELECT count(*)::int AS live FROM issued_tokens WHERE revoked_at IS NULL';
  const TAKE = 'UPDATE issued_tokens SET revoked_at = now() WHERE revoked_at IS NULL';

  it('leaves no token live that was on its way when its license was revoked', async () => {
    const session = await tables.pool.connect();
    await session.query('BEGIN');
    await insert(session, 'issued_tokens', tokenRow(issuance, NOON));

    const revocation = revoke(ofLicense()).then(() => tables.pool.query(TAKE));
    await expect(isPending(revocation)).resolves.toBe(true);
    await session.query('COMMIT');
    session.release();
    await revocation;
    expect((await tables.pool.query(LIVE)).rows).toEqual([{ live: 0 }]);
  });

  it('lets no token in that was checked before its license was revoked', async () => {
    const session = await tables.pool.connect();
    await session.query('BEGIN');
    await insert(session, 'service_token_revocations', revocationRow(ofInstance()));

    const token = issue();
    token.catch(() => undefined);
    await expect(isPending(token)).resolves.toBe(true);
    await session.query('COMMIT');
    session.release();
    await expect(token).rejects.toMatchObject(REVOKED);
    expect((await tables.pool.query(LIVE)).rows).toEqual([{ live: 0 }]);
  });
});
