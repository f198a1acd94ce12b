import { randomUUID } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { STATUS_LIST_BITS } from '../../src/domain/status-list.js';
import { LedgerAuditor } from '../../src/ledger-audit/ledger-auditor.js';
import { expectProblem } from '../api/problem.js';
import { DatabaseLink } from '../faults/database-link.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerRows, select } from './ledger.js';

const AUXILIARY_KEYS = '/oauth/discovery/auxiliary_keys';
const ON = { TOKEN_STATUS_LIST: 'true' };
const HOUR_MS = 3_600_000;

interface Status {
  readonly idx: number;
  readonly uri: string;
}

describe('a token with a place in a status list', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let link: DatabaseLink;
  let license: { readonly id: string; readonly licenseKey: string };
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock, environment: ON });
    link = await new DatabaseLink(issuer.database.url).open();
    license = await registerPaidLicense(issuer);
  });
  afterEach(async () => {
    link.close();
    await issuer.stop();
  });

  async function issued(instanceId: string = randomUUID(), of = issuer) {
    const identity = { licenseKey: license.licenseKey, instanceId };
    const { token } = await new GitlabInstance(of.url, identity).serviceToken();
    const claims = decodeJwt<{ status?: { status_list: Status } }>(token);
    const { idx, uri } = claims.status?.status_list ?? { idx: -1, uri: '' };
    return { token, jti: claims.jti ?? '', idx, uri, claims };
  }
  const revoke = (path: string) => issuer.admin('POST', `${path}/revoke`);
  const fetchList = (of = issuer, list = 0) => fetch(`${of.url}/status/${list}`);

  /** Reads it as a validator does. */
  async function listOf(response: Promise<Response>) {
    const answer = await response;
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/statuslist+jwt');
    const jwt = await answer.text();
    const keys = createRemoteJWKSet(new URL(AUXILIARY_KEYS, issuer.url));
    const verified = await jwtVerify<{ ttl: number; status_list: { bits: number; lst: string } }>(
      jwt,
      keys,
      { typ: 'statuslist+jwt', algorithms: ['ES256'], currentDate: clock.now() },
    );
    const { payload } = verified;
    const bytes = inflateSync(Buffer.from(payload.status_list.lst, 'base64url'));
    expect(bytes).toHaveLength(STATUS_LIST_BITS / 8);
    const revoked: number[] = [];
    bytes.forEach((byte, n) => {
      for (let bit = 0; bit < 8; bit += 1) if ((byte >> bit) & 1) revoked.push(8 * n + bit);
    });
    return { jwt, payload, revoked };
  }

  it('names its place in a list, which the ledger and the admin API know, too', async () => {
    const tokens = [await issued(), await issued(), await issued()];
    expect(new Set(tokens.map(({ idx }) => idx)).size).toBe(3);
    for (const { jti, idx, uri, claims } of tokens) {
      expect(claims.status).toEqual({ status_list: { idx, uri: `${issuer.url}/status/0` } });
      const shown = await (await issuer.admin('GET', `service_tokens/${jti}`)).json();
      expect(shown).toMatchObject({ status_list: { idx, uri } });
    }
    expect(await ledgerRows(issuer)).toHaveLength(3);
    const findings: unknown[] = [];
    const auditor = issuer.running.app.get(LedgerAuditor);
    await auditor.audit({}, (finding) => findings.push(finding));
    expect(findings).toEqual([]);
  });

  it('has no status unless it is switched on', async () => {
    const off = await startTestIssuer({ clock, sharing: issuer });
    expect((await issued(randomUUID(), off)).claims).not.toHaveProperty('status');
    await off.stop();
  });

  it('is revoked in the list as soon as its revocation is answered', async () => {
    const [one, other] = [await issued(), await issued()];
    const before = await listOf(fetchList());
    expect(before.revoked).toEqual([]);
    const iat = clock.now().getTime() / 1000;
    expect(before.payload).toMatchObject({
      sub: one.uri,
      iat,
      exp: iat + 4 * 3600,
      ttl: 300,
      status_list: { bits: 1 },
    });
    await revoke(`service_tokens/${other.jti}`);
    expect((await listOf(fetchList())).revoked).toEqual([other.idx]);
    // Its instance gets another one as usual.
    await issued();
  });

  it.each(['license', 'instance'])(
    'is revoked in the list with its %s, restored or not',
    async (what) => {
      const tokens = [await issued(), await issued()];
      const sql = 'SELECT instance_id FROM issued_tokens WHERE jti = $1';
      const [row] = await select<{ instance_id: string }>(issuer, sql, [tokens[0]?.jti]);
      const owner =
        what === 'license' ? `licenses/${license.id}` : `instances/${row?.instance_id ?? ''}`;
      const expected = (what === 'license' ? tokens : tokens.slice(0, 1)).map(({ idx }) => idx);
      await listOf(fetchList());
      await revoke(`${owner}/service_tokens`);
      expect((await listOf(fetchList())).revoked).toEqual(expected);
      await issuer.admin('POST', `${owner}/service_tokens/restore`);
      expect((await listOf(fetchList())).revoked).toEqual(expected);
    },
  );

  it('is revoked in the lists of other replicas within moments, and places never collide', async () => {
    const replica = await startTestIssuer({ clock, sharing: issuer, environment: ON });
    const tokens: Awaited<ReturnType<typeof issued>>[] = [];
    // Few at once: on a busy machine the service turns away what waits for too long.
    while (tokens.length < 200) {
      const some = Array.from({ length: 8 }, (_one, n) =>
        issued(randomUUID(), n % 2 ? issuer : replica),
      );
      tokens.push(...(await Promise.all(some)));
    }
    expect(new Set(tokens.map(({ idx }) => idx)).size).toBe(200);
    await listOf(fetchList(replica));
    await revoke(`service_tokens/${tokens[199]?.jti ?? ''}`);
    const seen = async () => (await listOf(fetchList(replica))).revoked;
    while ((await seen()).length === 0);
    expect(await seen()).toEqual([tokens[199]?.idx]);
    await replica.stop();
  });

  it('may leave the list once it has expired', async () => {
    const { jti, idx } = await issued();
    await revoke(`service_tokens/${jti}`);
    clock.advance(7 * 24 * HOUR_MS);
    expect((await listOf(fetchList())).revoked).toEqual([idx]);
    clock.advance(24 * HOUR_MS);
    expect((await listOf(fetchList())).revoked).toEqual([]);
  });

  it('has a list that may be cached for its ttl, and changes only with its content', async () => {
    await issued();
    const first = await fetchList();
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    expect(first.headers.get('access-control-allow-origin')).toBe('*');
    const etag = first.headers.get('etag') ?? '';
    clock.advance(149_999);
    const headers = { 'if-none-match': etag };
    expect((await fetch(`${issuer.url}/status/0`, { headers })).status).toBe(304);
    clock.advance(60_000);
    expect((await fetch(`${issuer.url}/status/0`, { headers })).status).toBe(200);
  });

  it('has no other lists than those that tokens name', async () => {
    expect((await fetchList()).status).toBe(404);
    await issued();
    expect((await fetchList()).status).toBe(200);
    for (const list of ['1', '00', '-1', 'x', '1e3', '999999999', '9999999999']) {
      const answer = await fetch(`${issuer.url}/status/${list}`);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      await expectProblem(answer, 404, 'NOT_FOUND');
    }
    await select(issuer, `SELECT setval('status_indices', ${STATUS_LIST_BITS})`);
    expect((await listOf(fetchList(issuer, 1))).payload.sub).toBe(`${issuer.url}/status/1`);
  });

  it('has its last list while the database is away, until the list expires', async () => {
    const { jti, idx } = await issued();
    const environment = { ...ON, DATABASE_URL: link.url, DATABASE_TIMEOUT_MS: '2000' };
    const cut = await startTestIssuer({ clock, sharing: issuer, environment });
    await revoke(`service_tokens/${jti}`);
    const before = await listOf(fetchList(cut));
    link.silence();
    clock.advance(4 * HOUR_MS - 1000);
    for (const fetched of [fetchList(cut), fetchList(cut)]) {
      const kept = await fetched;
      expect(kept.headers.get('cache-control')).toBe('public, max-age=1');
      expect(await kept.text()).toBe(before.jwt);
    }
    expect(before.revoked).toEqual([idx]);
    clock.advance(1000);
    for (const list of [0, 7]) {
      const none = await fetchList(cut, list);
      expect(none.headers.get('cache-control')).toBe('no-store');
      await expectProblem(none, 503, 'UNAVAILABLE');
    }
    link.speak();
    while ((await fetchList(cut)).status !== 200);
    expect((await listOf(fetchList(cut))).revoked).toEqual([idx]);
    await cut.stop();
  });

  it('cannot be confused with its list: no validator accepts a list as a token', async () => {
    const { token } = await issued();
    const { jwt } = await listOf(fetchList());
    const backend = new BackendValidator(issuer.url, 'gitlab-ai-gateway', () => clock.now());
    const { sub = '', aud, scopes } = decodeJwt(token);
    expect(await backend.judge(backendHeaders(token, sub))).toMatchObject({ accepted: true });
    const verdict = await backend.judge(backendHeaders(jwt, sub));
    expect(verdict).toEqual({ accepted: false, error: 'Forbidden by auth provider' });
    expect([aud, scopes]).not.toContain(undefined);
    expect(decodeProtectedHeader(jwt)).toMatchObject({ typ: 'statuslist+jwt', alg: 'ES256' });
    const keySet = await (await fetch(`${issuer.url}/oauth/discovery/keys`)).text();
    expect(keySet).not.toContain(decodeProtectedHeader(jwt).kid);
  });
});
