import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { Client } from 'pg';
import { select } from '../contract/ledger.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('the issued tokens', () => {
  /** By n: licenses 0 and 1 in turn, each with one instance; a day lies between two tokens. */
  const jtis: string[] = [];
  const licenseIds: string[] = [];
  const instanceIds: string[] = [];
  let kid: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const clients: GitlabInstance[] = [];
    for (let n = 0; n < 2; n += 1) {
      const { id, licenseKey } = await registerPaidLicense(issuer);
      licenseIds.push(id);
      clients.push(new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() }));
    }
    for (let n = 0; n < 12; n += 1) {
      const { token } = (await clients[n % 2]?.serviceToken()) ?? { token: '' };
      jtis.push(decodeJwt(token).jti ?? '');
      kid = decodeProtectedHeader(token).kid ?? '';
      clock.advance(DAY_MS);
    }
    for (const id of licenseIds) {
      const sql = 'SELECT id FROM instances WHERE license_id = $1';
      instanceIds.push((await select<{ id: string }>(issuer, sql, [id]))[0]?.id ?? '');
    }
    for (const n of [1, 10]) await issuer.admin('POST', `service_tokens/${jtis[n] ?? ''}/revoke`);
  });

  async function page(query: string): Promise<PageJson & { link: string | null }> {
    const response = await issuer.admin('GET', `service_tokens?${query}`);
    expect(response.status).toBe(200);
    return { ...((await response.json()) as PageJson), link: response.headers.get('link') };
  }
  /** Follows the cursors; the tokens by their n. */
  async function walk(query: string): Promise<number[]> {
    const found: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { items, next_cursor } = await page(`${query}${cursor && `&cursor=${cursor}`}`);
      found.push(...items.map(({ jti }) => jtis.indexOf(jti)));
      cursor = next_cursor;
    }
    return found;
  }

  it.each([
    ['', () => true],
    ['license_id=0', (n: number) => n % 2 === 0],
    ['instance_id=1', (n: number) => n % 2 === 1],
    ['license_id=0&instance_id=1', () => false],
    ['revoked=true', (n: number) => n === 1 || n === 10],
    ['revoked=false', (n: number) => n !== 1 && n !== 10],
    // Three days is what a token lives, and its last instant is not part of them.
    ['live=true', (n: number) => n >= 10],
    ['live=false', (n: number) => n < 10],
    ['live=true&revoked=true', (n: number) => n === 10],
    ['live=true&revoked=false', (n: number) => n === 11],
    ['live=true&instance_id=0', (n: number) => n === 10],
    ['live=false&license_id=1', (n: number) => n < 10 && n % 2 === 1],
    ['revoked=true&license_id=0', (n: number) => n === 10],
    ['kid=own', () => true],
    ['kid=own&live=true', (n: number) => n >= 10],
    ['kid=unheard-of', () => false],
  ])('are listed by "%s", oldest first, from page to page', async (filter, holds) => {
    const query = filter
      .replace(/license_id=(\d)/, (_all, n: string) => `license_id=${licenseIds[Number(n)] ?? ''}`)
      .replace(
        /instance_id=(\d)/,
        (_all, n: string) => `instance_id=${instanceIds[Number(n)] ?? ''}`,
      )
      .replace('kid=own', `kid=${kid}`);
    const expected = jtis.flatMap((_jti, n) => (holds(n) ? [n] : []));
    expect(await walk(`per_page=100&${query}`)).toEqual(expected);
    expect(await walk(`per_page=2&${query}`)).toEqual(expected);
  });

  it('say in a link how they go on', async () => {
    const { link, next_cursor } = await page('per_page=5&revoked=false');
    const url = `${issuer.url}/api/v1/service_tokens?per_page=5&revoked=false&cursor=${next_cursor ?? ''}`;
    expect(link).toBe(`<${url}>; rel="next"`);
  });

  it('are walked a bounded number of rows a page, in which there may be none', async () => {
    await select(
      issuer,
      `WITH batch AS (
         SELECT (lpad(to_hex(extract(epoch FROM timestamptz '2026-03-11')::bigint * 1000 + n), 12, '0')
                 || '70008000000000000000')::uuid AS jti FROM generate_series(1, 25000) n)
       INSERT INTO issued_tokens (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
         gitlab_version, issued_at, expires_at, claims_digest, chain_id, batch_number)
       SELECT batch.jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
         gitlab_version, issued_at, expires_at, claims_digest, chain_id, batch_number
       FROM batch, (SELECT * FROM issued_tokens WHERE jti = $1) t`,
      [jtis[0]],
    );
    const empty = await page('kid=unheard-of');
    expect(empty.items).toEqual([]);
    expect(empty.next_cursor).not.toBeNull();
    expect(await walk('kid=unheard-of')).toEqual([]);
    expect((await walk('live=true')).sort()).toEqual([10, 11]);
  });

  it('tell each what it was issued for', async () => {
    const response = await issuer.admin('GET', `service_tokens/${jtis[2] ?? ''}`);
    expect(await response.json()).toEqual({
      jti: jtis[2],
      license_id: licenseIds[0],
      self_issued: null,
      instance_id: instanceIds[0],
      kid,
      gitlab_version: '18.6.0-ee',
      issued_at: '2026-03-12T12:00:00.000Z',
      expires_at: '2026-03-15T12:00:00.000Z',
      revoked_at: null,
      status_list: null,
      scopes: expect.arrayContaining(['duo_chat']) as string[],
      audiences: expect.arrayContaining(['gitlab-ai-gateway']) as string[],
      revocation: null,
    });
  });

  it('are revoked one by one, once and for good, with who and why', async () => {
    const path = `service_tokens/${jtis[11] ?? ''}`;
    const revoke = async (reason: string) => {
      const answer = await issuer.admin('POST', `${path}/revoke`, { reason });
      expect(answer.status).toBe(200);
      return answer.json();
    };
    const revoked = await revoke('leaked');
    expect(revoked).toMatchObject({
      jti: jtis[11],
      revoked_at: clock.now().toISOString(),
      status_list: null,
      revocation: {
        subject: 'token',
        jti: jtis[11],
        reason: 'leaked',
        revoked_by: 'bootstrap',
        revoked_tokens: 1,
        last_expires_at: '2026-03-24T12:00:00.000Z',
      },
    });
    clock.advance(1000);
    expect(await revoke('again')).toEqual(revoked);
    expect(await (await issuer.admin('GET', path)).json()).toEqual(revoked);
  });

  it('name the revocation of a license or an instance as what revoked them', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    const jti = decodeJwt((await client.serviceToken()).token).jti ?? '';
    await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`, { reason: 'fraud' });
    const answer = await issuer.admin('POST', `service_tokens/${jti}/revoke`, { reason: 'late' });
    expect(await answer.json()).toMatchObject({
      revocation: { subject: 'license', license_id: id, reason: 'fraud' },
    });
  });

  it('can be revoked after they have expired, for the record', async () => {
    const answer = await issuer.admin('POST', `service_tokens/${jtis[0] ?? ''}/revoke`);
    expect(await answer.json()).toMatchObject({
      revocation: { revoked_tokens: 0, last_expires_at: null, reason: null },
    });
  });

  it('are NOT_FOUND where the ledger has none', async () => {
    for (const jti of [randomUUID(), 'no-uuid', jtis[3]?.replace(/^0/, '1') ?? '']) {
      await expectProblem(await issuer.admin('GET', `service_tokens/${jti}`), 404, 'NOT_FOUND');
      const revoked = await issuer.admin('POST', `service_tokens/${jti}/revoke`);
      await expectProblem(revoked, 404, 'NOT_FOUND');
    }
  });

  it.each(['live=yes', 'revoked=1', 'license_id=7', 'instance_id=', 'kid=', 'cursor=x', 'page=1'])(
    'refuse the filter %s by its name',
    async (query) => {
      const response = await issuer.admin('GET', `service_tokens?${query}`);
      await expectProblem(response, 422, 'VALIDATION_FAILED', [query.split('=')[0] ?? '']);
    },
  );
});

describe('revoking the tokens of a license or an instance', () => {
  interface RevocationJson {
    readonly id: string;
    readonly subject: string;
    readonly reason: string | null;
  }
  interface StandingJson {
    readonly license_id: string;
    readonly instance_id: string | null;
    readonly revocation: RevocationJson | null;
    readonly active: readonly RevocationJson[];
  }
  const START = '2026-03-10T12:00:00.000Z';
  beforeEach(() => {
    clock.set(START);
  });

  async function order(path: string, body?: object): Promise<StandingJson> {
    clock.advance(1);
    const response = await issuer.admin('POST', path, body);
    expect(response.status).toBe(200);
    return (await response.json()) as StandingJson;
  }
  async function items<Item>(path: string): Promise<Item[]> {
    const response = await issuer.admin('GET', path);
    expect(response.status).toBe(200);
    return ((await response.json()) as { items: Item[] }).items;
  }
  const synced = async (licenseKey: string, instanceId: string = randomUUID()) => {
    const { token } = await new GitlabInstance(issuer.url, {
      licenseKey,
      instanceId,
    }).serviceToken();
    return decodeJwt(token).jti ?? '';
  };
  const instanceIds = async (licenseId: string) =>
    (await items<{ id: string }>(`instances?license_id=${licenseId}`)).map(({ id }) => id);

  it('says what was done: how many live tokens, until when they would have lived, who and why', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    clock.advance(3 * DAY_MS);
    await synced(licenseKey);
    await synced(licenseKey);
    clock.advance(1000);
    const standing = await order(`licenses/${id}/service_tokens/revoke`, { reason: 'stolen' });
    const revocation = {
      id: expect.any(String) as string,
      subject: 'license',
      jti: null,
      license_id: id,
      instance_id: null,
      user: null,
      namespace: null,
      reason: 'stolen',
      revoked_at: clock.now().toISOString(),
      revoked_by: 'bootstrap',
      revoked_tokens: 2,
      last_expires_at: '2026-03-16T12:00:00.000Z',
      restored_at: null,
      restored_by: null,
      restore_reason: null,
    };
    expect(standing).toEqual({
      license_id: id,
      instance_id: null,
      revocation,
      active: [revocation],
    });
  });

  it('twice does nothing, and answers the same with the first reason', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    const [instanceId] = await instanceIds(id);
    for (const owner of [`licenses/${id}`, `instances/${instanceId ?? ''}`]) {
      const first = await order(`${owner}/service_tokens/revoke`, { reason: 'first' });
      expect(await order(`${owner}/service_tokens/revoke`, { reason: 'second' })).toEqual(first);
    }
  });

  it('is lifted by a restoration, of which who and why are kept, too', async () => {
    const { id } = await registerPaidLicense(issuer);
    const revoked = await order(`licenses/${id}/service_tokens/revoke`, { reason: 'a mistake' });
    const restored = await order(`licenses/${id}/service_tokens/restore`, { reason: 'sorry' });
    const at = clock.now().toISOString();
    expect(restored).toEqual({
      ...revoked,
      revocation: {
        ...revoked.revocation,
        restored_at: at,
        restored_by: 'bootstrap',
        restore_reason: 'sorry',
      },
      active: [],
    });
    expect(await order(`licenses/${id}/service_tokens/restore`, { reason: 'again' })).toEqual(
      restored,
    );
  });

  it('has nothing to lift where nothing was revoked', async () => {
    const { id } = await registerPaidLicense(issuer);
    expect(await order(`licenses/${id}/service_tokens/restore`)).toEqual({
      license_id: id,
      instance_id: null,
      revocation: null,
      active: [],
    });
  });

  it('leaves revoked what was revoked when it is lifted', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const before = await synced(licenseKey);
    await order(`licenses/${id}/service_tokens/revoke`);
    await order(`licenses/${id}/service_tokens/restore`);
    const after = await synced(licenseKey);
    const tokens = await items<{ jti: string; revoked_at: string | null }>(
      `service_tokens?license_id=${id}`,
    );
    expect(tokens).toMatchObject([
      { jti: before, revoked_at: '2026-03-10T12:00:00.001Z' },
      { jti: after, revoked_at: null },
    ]);
  });

  it('of an instance takes its tokens, and shows what stands against it as one of the license', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    clock.advance(1);
    await synced(licenseKey);
    const [one, other] = (await instanceIds(id)).map((row) => `instances/${row}/service_tokens`);
    const ofOne = await order(`${one ?? ''}/revoke`);
    expect(ofOne.revocation).toMatchObject({ subject: 'instance', revoked_tokens: 1 });
    const ofAll = await order(`licenses/${id}/service_tokens/revoke`);
    // The token of the one was taken before.
    expect(ofAll.revocation).toMatchObject({ subject: 'license', revoked_tokens: 1 });
    expect((await order(`${one ?? ''}/restore`)).active).toEqual(ofAll.active);
    expect((await order(`${other ?? ''}/restore`)).active).toEqual(ofAll.active);
    expect((await order(`${one ?? ''}/revoke`)).active).toHaveLength(2);
  });

  it('has a history, by license and by instance', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    const [instance = ''] = await instanceIds(id);
    const made: string[] = [];
    for (const owner of [`licenses/${id}`, `instances/${instance}`, `licenses/${id}`]) {
      const { revocation } = await order(`${owner}/service_tokens/revoke`);
      made.push(revocation?.id ?? '');
      if (owner.startsWith('licenses')) await order(`${owner}/service_tokens/restore`);
    }
    const listed = async (query: string) =>
      (await items<RevocationJson>(`service_token_revocations?${query}`)).map((one) =>
        made.indexOf(one.id),
      );
    expect(await listed(`license_id=${id}`)).toEqual([0, 1, 2]);
    expect(await listed(`license_id=${id}&active=true`)).toEqual([1]);
    expect(await listed(`license_id=${id}&active=false`)).toEqual([0, 2]);
    expect(await listed(`instance_id=${instance}`)).toEqual([1]);
    expect(await listed(`license_id=${id}&per_page=1&cursor=${made[0] ?? ''}`)).toEqual([1]);
    expect(await listed(`license_id=${randomUUID()}`)).toEqual([]);
  });

  it.each(['licenses', 'instances'])('is NOT_FOUND for %s that are not there', async (owners) => {
    for (const action of ['revoke', 'restore']) {
      const path = `${owners}/${randomUUID()}/service_tokens/${action}`;
      await expectProblem(await issuer.admin('POST', path), 404, 'NOT_FOUND');
    }
  });

  it('takes a reason, and refuses any other member by name', async () => {
    const { id } = await registerPaidLicense(issuer);
    for (const action of ['revoke', 'restore']) {
      const path = `licenses/${id}/service_tokens/${action}`;
      const body = { reason: 'x', until: 'tomorrow' };
      const refused = await issuer.admin('POST', path, body);
      await expectProblem(refused, 422, 'VALIDATION_FAILED', ['#/until']);
      for (const reason of ['', null, 1, 'x'.repeat(1001)]) {
        const wrong = await issuer.admin('POST', path, { reason });
        await expectProblem(wrong, 422, 'VALIDATION_FAILED', ['#/reason']);
      }
    }
    const query = await issuer.admin('GET', 'service_token_revocations?active=yes');
    await expectProblem(query, 422, 'VALIDATION_FAILED', ['active']);
  });

  it('is for admins', async () => {
    for (const [method, path] of [
      ['POST', `licenses/${randomUUID()}/service_tokens/revoke`],
      ['POST', `instances/${randomUUID()}/service_tokens/restore`],
      ['GET', 'service_token_revocations'],
    ] as const) {
      const response = await fetch(`${issuer.url}/api/v1/${path}`, { method });
      await expectProblem(response, 401, 'UNAUTHENTICATED');
    }
  });
});

describe('self-issued tokens of a user or a namespace', () => {
  interface RevocationJson {
    readonly id: string;
    readonly subject: string;
    readonly revoked_tokens: number;
  }
  const START = new Date('2026-03-10T23:30:00.250Z');
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
      ...{ reason: 'a stolen laptop', revoked_by: 'bootstrap', revoked_tokens: 2 },
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
      ...{ subject: 'namespace', revoked_tokens: 1 },
    });
    await issue({ namespace: '9' });
    expect(await revoke({ namespace: '9' })).toMatchObject({ revoked_tokens: 1 });
    expect(await revoke({ namespace: '9' })).toMatchObject({
      ...{ revoked_tokens: 0, last_expires_at: null },
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
    expect(await revocation).toMatchObject({ revoked_tokens: 2 });
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

interface PageJson {
  readonly items: readonly { readonly jti: string }[];
  readonly next_cursor: string | null;
}
