import { get } from 'node:http';
import { inflateSync } from 'node:zlib';
import {
  compactVerify,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
} from 'jose';
import {
  CORPUS,
  FAULTS,
  type MockIssuer,
  startMockIssuer,
} from '../../packages/cloud-connector-mock-issuer/src/index.js';
import { BackendValidator, backendHeaders } from '../support/backend-validator.js';

interface Listed {
  readonly name: string;
  readonly what: string;
  readonly backend_should: string;
}

describe('the mock issuer', () => {
  let issuer: MockIssuer;
  let now = new Date('2026-11-23T12:00:00Z');

  const json = async (path: string, init?: RequestInit) =>
    (await (await fetch(`${issuer.issuer}${path}`, init)).json()) as Record<string, unknown>;
  const put = (mode: object) => json('/mode', { method: 'PUT', body: JSON.stringify(mode) });
  const tokenNamed = async (name: string, query = '') =>
    String((await json(`/tokens/${name}${query}`))['token']);

  beforeAll(async () => {
    issuer = await startMockIssuer({ port: 0, now: () => now });
  });
  afterAll(async () => issuer.close());
  afterEach(() => {
    issuer.setFault('normal');
  });

  it('is discovered like a real issuer, and its good tokens verify with the published keys', async () => {
    const { jwks_uri, issuer: iss } = await json('/.well-known/openid-configuration');
    expect([jwks_uri, iss]).toEqual([`${issuer.issuer}/oauth/discovery/keys`, issuer.issuer]);
    const keys = createRemoteJWKSet(new URL(String(jwks_uri)));
    const names = CORPUS.filter(({ expected }) => expected === 'accept').map(({ name }) => name);
    for (const name of names) {
      const { payload } = await jwtVerify(await tokenNamed(name), keys, {
        issuer: issuer.issuer,
        audience: 'gitlab-ai-gateway',
        algorithms: ['RS256'],
        typ: 'JWT',
        currentDate: now,
      });
      expect(payload['scopes']).toContain('duo_chat');
    }
  });

  it('publishes keys that common validators can read', async () => {
    const minted = await issuer.mint('good');
    const validator = new BackendValidator(issuer.issuer, 'gitlab-ai-gateway', () => now);
    const headers = backendHeaders(
      minted?.token ?? '',
      minted?.headers['X-Gitlab-Instance-Id'] ?? '',
    );
    expect(await validator.judge(headers)).toMatchObject({ accepted: true });
  });

  it('lists the tokens that it makes, with the fault and the right answer of each', async () => {
    const items = (await json('/tokens'))['items'] as Listed[];
    expect(items.map(({ name }) => name)).toEqual([...new Set(CORPUS.map(({ name }) => name))]);
    expect(items.find(({ name }) => name === 'hmac-pem')).toEqual({
      name: 'hmac-pem',
      what: 'HS256, with its PEM, which is public, as the secret',
      backend_should: '401',
    });
  });

  it('makes a token for the instance that the query or the body names', async () => {
    const queried = await tokenNamed('good', '?sub=abc&realm=saas&audience=a,b&scopes=x,y');
    const wished = { sub: 'abc', gitlab_realm: 'saas', aud: ['a', 'b'], scopes: ['x', 'y'] };
    expect(decodeJwt(queried)).toMatchObject(wished);
    const body = { sub: 'abc', realm: 'saas', audience: ['a', 'b'], scopes: ['x', 'y'] };
    const posted = await json('/tokens/good', { method: 'POST', body: JSON.stringify(body) });
    expect(decodeJwt(String(posted['token']))).toMatchObject(wished);
    expect(posted['headers']).toMatchObject({ 'X-Gitlab-Realm': 'saas' });
  });

  it('gives the bare token to a shell', async () => {
    const answer = await fetch(`${issuer.issuer}/tokens/expired?format=text`);
    expect(decodeJwt(await answer.text()).exp).toBe(now.getTime() / 1000 - 3600);
  });

  it('serves a status list that has one token revoked, signed with a key of its own', async () => {
    const jws = await (await fetch(`${issuer.issuer}/status/0`)).text();
    const url = new URL(`${issuer.issuer}/oauth/discovery/auxiliary_keys`);
    const { payload, protectedHeader } = await compactVerify(jws, createRemoteJWKSet(url));
    expect(protectedHeader.typ).toBe('statuslist+jwt');
    const { sub, status_list } = JSON.parse(Buffer.from(payload).toString()) as {
      sub: string;
      status_list: { lst: string };
    };
    const bits = inflateSync(Buffer.from(status_list.lst, 'base64url'));
    const isRevoked = ({ idx, uri }: { idx: number; uri: string }) =>
      uri === sub && (((bits[idx >> 3] ?? 0) >> (idx & 7)) & 1) === 1;
    const statusOf = async (name: string) =>
      (decodeJwt(await tokenNamed(name))['status'] as { status_list: never }).status_list;
    expect(isRevoked(await statusOf('revoked'))).toBe(true);
    expect(isRevoked(await statusOf('good-status-valid'))).toBe(false);
  });

  it('rotates on request, and every minute by its clock', async () => {
    const kidOfToken = async () => decodeProtectedHeader(await tokenNamed('good')).kid;
    const first = await kidOfToken();
    const { signing, published } = await json('/rotate', { method: 'POST' });
    expect(signing).not.toBe(first);
    expect(published).toContain(first);
    expect(await kidOfToken()).toBe(signing);
    now = new Date(now.getTime() + 60_000);
    expect(await kidOfToken()).not.toBe(signing);
  });

  it('answers with each fault, and correctly again afterwards', async () => {
    const keySet = () => fetch(`${issuer.issuer}/oauth/discovery/keys`, { redirect: 'manual' });
    const good = (await (await keySet()).json()) as { keys: { kid: string }[] };
    await put({ mode: 'empty' });
    expect(await (await keySet()).json()).toEqual({ keys: [] });
    await put({ mode: 'broken_json' });
    await expect((await keySet()).json()).rejects.toThrow('JSON');
    await put({ mode: 'only_newest' });
    expect(await (await keySet()).json()).toEqual({ keys: good.keys.slice(-1) });
    await put({ mode: 'only_oldest' });
    expect(await (await keySet()).json()).toEqual({ keys: good.keys.slice(0, 1) });
    await put({ mode: 'key_without_kid' });
    expect(await (await keySet()).text()).not.toContain(good.keys[0]?.kid);
    await put({ mode: 'ec_key_first' });
    expect(await (await keySet()).json()).toMatchObject({ keys: [{ kty: 'EC' }, ...good.keys] });
    await put({ mode: 'null_member' });
    expect(await (await keySet()).text()).toContain(':null');
    await put({ mode: 'error_500' });
    expect((await keySet()).status).toBe(500);
    await put({ mode: 'redirect' });
    const elsewhere = String((await keySet()).headers.get('location'));
    expect(await (await fetch(elsewhere)).json()).toEqual(good);
    await put({ mode: 'huge' });
    expect((await (await keySet()).text()).length).toBeGreaterThan(20_000_000);
    await put({ mode: 'slow', seconds: 0.01 });
    expect(await (await keySet()).json()).toEqual(good);
    await put({ mode: 'normal' });
    expect(await (await keySet()).json()).toEqual(good);
  });

  it.each(['hanging', 'reset'])('does not answer while it is %s', async (mode) => {
    await put({ mode, document: 'discovery' });
    const asked = issuer.fetches().discovery;
    const failed = new Promise((resolve) => {
      const request = get(`${issuer.issuer}/.well-known/openid-configuration`, () => {
        resolve('answered');
      });
      request.on('error', ({ message }) => {
        resolve(message);
      });
      const look = setInterval(() => {
        if (mode !== 'hanging' || issuer.fetches().discovery === asked) return;
        clearInterval(look);
        request.destroy(new Error('given up'));
      }, 5);
      request.on('close', () => {
        clearInterval(look);
      });
    });
    expect(await failed).toMatch(/given up|ECONNRESET|hang up/);
    expect((await fetch(`${issuer.issuer}/oauth/discovery/keys`)).status).toBe(200);
  });

  it('can name a missing document in its discovery document', async () => {
    await put({ mode: 'wrong_jwks_uri' });
    const { jwks_uri } = await json('/.well-known/openid-configuration');
    expect((await fetch(String(jwks_uri))).status).toBe(404);
  });

  it('also has an address for each fault', async () => {
    expect(await json('/faults/empty/keys')).toEqual({ keys: [] });
    expect(Object.keys((await json('/mode'))['modes'] as object)).toEqual(Object.keys(FAULTS));
  });

  it.each([
    ['PUT', '/mode', '{"mode":"odd"}', 400, 'mode: one of normal, broken_json'],
    ['PUT', '/mode', '[]', 400, 'The body must be a JSON object.'],
    ['PUT', '/mode', '{"mode":"slow","seconds":-1}', 400, 'seconds: from 0 to 3600.'],
    ['POST', '/tokens/good', '{"scopes":7}', 400, 'sub, realm, issuer, audience'],
    ['POST', '/tokens/nobody', '', 404, 'There is no token nobody'],
    ['DELETE', '/tokens', '', 405, 'There is no DELETE /tokens here'],
    ['POST', '/', '', 404, 'There is no POST / here'],
  ])('says what is wrong with %s %s %s', async (method, path, body, status, message) => {
    const answer = await fetch(`${issuer.issuer}${path}`, { method, body });
    expect(answer.status).toBe(status);
    expect(await answer.text()).toContain(message);
  });
});
