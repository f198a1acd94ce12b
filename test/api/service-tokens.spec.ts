import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { select } from '../contract/ledger.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

interface PageJson {
  readonly items: readonly { readonly jti: string }[];
  readonly next_cursor: string | null;
}

const DAY_MS = 86_400_000;

describe('the issued tokens', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  /** By n: licenses 0 and 1 in turn, each with one instance; a day lies between two tokens. */
  const jtis: string[] = [];
  const licenseIds: string[] = [];
  const instanceIds: string[] = [];
  let kid: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
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
  afterAll(() => issuer.stop());

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
        live_tokens: 1,
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
      revocation: { live_tokens: 0, last_expires_at: null, reason: null },
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
