import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { Client } from 'pg';
import { select } from '../contract/ledger.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

interface RevocationJson {
  readonly id: string;
  readonly subject: string;
  readonly live_tokens: number;
}

const START = new Date('2026-03-10T23:30:00.250Z');
const HOUR_MS = 3_600_000;

describe('self-issued tokens of a user or a namespace', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  beforeAll(async () => {
    clock.set(START);
    issuer = await startTestIssuer({
      clock,
      environment: {
        SELF_ISSUED_INSTANCE_ID: 'ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f',
        TOKEN_STATUS_LIST: 'true',
      },
    });
  });
  beforeEach(() => {
    clock.set(START);
  });
  afterAll(() => issuer.stop());

  async function issue(body: object): Promise<string> {
    clock.advance(1);
    const response = await issuer.admin('POST', 'self_issued_tokens', body);
    if (response.status !== 201) throw new Error(await response.text());
    return decodeJwt(((await response.json()) as { token: string }).token).jti ?? '';
  }
  async function items<Item>(path: string): Promise<Item[]> {
    const response = await issuer.admin('GET', path);
    if (response.status !== 200) throw new Error(await response.text());
    return ((await response.json()) as { items: Item[] }).items;
  }
  const listed = async (query: string) =>
    (await items<{ jti: string }>(`service_tokens?${query}`)).map(({ jti }) => jti);
  const order = (body: object) => issuer.admin('POST', 'self_issued_tokens/revoke', body);
  async function revoke(body: object): Promise<RevocationJson> {
    const response = await order(body);
    expect(response.status).toBe(200);
    return (await response.json()) as RevocationJson;
  }

  it('are listed by whom they are for, and live ones until they expire', async () => {
    const first = await issue({ user: '7' });
    clock.set(new Date(START.getTime() + HOUR_MS / 2));
    const second = await issue({ user: '7', unit_primitives: ['security_scans'] });
    const [other, namespace] = [await issue({ user: '8' }), await issue({ namespace: '7' })];
    expect(await listed('user=7')).toEqual([first, second]);
    expect(await listed('user=8')).toEqual([other]);
    expect(await listed('namespace=7')).toEqual([namespace]);
    expect(await listed('user=7&namespace=7')).toEqual([]);
    expect(await listed('user=nobody&live=true')).toEqual([]);

    const expiry = new Date('2026-03-11T00:30:00Z');
    clock.set(new Date(expiry.getTime() - 1));
    expect(await listed('user=7&live=true')).toEqual([first, second]);
    clock.set(expiry);
    expect(await listed('user=7&live=true')).toEqual([second]);
    expect(await listed('user=7&live=false')).toEqual([first]);
  });

  it('are revoked while they live, and no others are', async () => {
    await issue({ user: '17' });
    clock.set(new Date('2026-03-11T00:30:00Z'));
    const live = [await issue({ user: '17' })];
    // Nearly expired, and long not under way any more.
    clock.set(new Date('2026-03-11T01:29:00Z'));
    live.push(await issue({ user: '17' }));
    await issue({ user: '18' });
    await issue({ namespace: '17' });

    const revocation = await revoke({ user: '17', reason: 'a stolen laptop' });
    expect(revocation).toMatchObject({
      ...{ subject: 'user', user: '17', namespace: null, license_id: null, jti: null },
      ...{ reason: 'a stolen laptop', revoked_by: 'bootstrap', live_tokens: 2 },
      ...{ last_expires_at: '2026-03-11T02:29:00.000Z', restored_at: null },
    });
    expect(await listed('user=17&revoked=true')).toEqual(live);
    for (const other of ['user=18', 'namespace=17']) {
      expect(await listed(`${other}&revoked=true`)).toEqual([]);
      expect(await listed(other)).toHaveLength(1);
    }
    const token = await issuer.admin('GET', `service_tokens/${live[0] ?? ''}`);
    expect(await token.json()).toMatchObject({ revocation });
    expect(await items('service_token_revocations?user=17')).toEqual([revocation]);
    expect(await items('service_token_revocations?namespace=17')).toEqual([]);
  });

  it('are issued again as usual, and revoked again', async () => {
    await issue({ namespace: '9' });
    expect(await revoke({ namespace: '9' })).toMatchObject({
      ...{ subject: 'namespace', live_tokens: 1 },
    });
    await issue({ namespace: '9' });
    expect(await revoke({ namespace: '9' })).toMatchObject({ live_tokens: 1 });
    expect(await revoke({ namespace: '9' })).toMatchObject({
      ...{ live_tokens: 0, last_expires_at: null },
    });
    expect(await items('service_token_revocations?namespace=9')).toHaveLength(3);
  });

  it('are taken too when they were under way', async () => {
    const first = await issue({ user: '27' });
    const writer = new Client({ connectionString: issuer.database.url });
    await writer.connect();
    await writer.query('BEGIN');
    await writer.query(`SELECT pg_advisory_xact_lock_shared(hashtext('signing_keys.phase'))`);
    const revocation = revoke({ user: '27' });
    const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while ((await select(issuer, waiting)).length === 0) await sleep(10);
    await writer.query(
      `INSERT INTO issued_tokens (jti, self_issued, kid, scope_set_digest, catalog_digest, issued_at,
         expires_at, claims_digest, chain_id, batch_number)
       SELECT overlay(jti::text placing '000000000000' from 25)::uuid, self_issued, kid,
         scope_set_digest, catalog_digest, issued_at, expires_at, claims_digest, chain_id,
         batch_number
       FROM issued_tokens WHERE jti = $1`,
      [first],
    );
    await writer.query('COMMIT');
    await writer.end();
    expect(await revocation).toMatchObject({ live_tokens: 2 });
    expect(await listed('user=27&revoked=true')).toHaveLength(2);
  });

  it.each([
    ['nobody', {}, '#/user'],
    ['two', { user: '7', namespace: '9' }, '#/namespace'],
    ['a number', { user: 7 }, '#/user'],
  ])('are not revoked for %s', async (_whom, body, pointer) => {
    await expectProblem(await order(body), 422, 'VALIDATION_FAILED', [pointer]);
  });
});
