import { generateKeyPairSync } from 'node:crypto';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, type JWK, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { keepKeys, keyIn } from '../keys/key-set.js';
import { backendHeaders, BackendValidator, type Verdict } from '../support/backend-validator.js';
import { recordPurchase, registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { maxAgeOf } from './max-age.js';

const DISCOVERY = '/.well-known/openid-configuration';
const KEYS = '/oauth/discovery/keys';
const PATHS = ['/.well-known/openid-configuration', '/oauth/discovery/keys'];
const HOUR_SECONDS = 3600;
const INSTANCE_ID = '8D1C1F3E-2B7A-4C0E-9F53-6A1B2C3D4E5F';
const AI_GATEWAY = 'gitlab-ai-gateway';
const ISSUED_AT = '2026-03-10T12:00:00Z';

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('what the issuer publishes', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(issuer.url + path, { headers });
  }

  async function keySet(): Promise<{ readonly keys: readonly JWK[] }> {
    return (await (await get(KEYS)).json()) as { keys: readonly JWK[] };
  }

  it('in discovery are exactly three members', async () => {
    const response = await get(DISCOVERY);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      issuer: issuer.url,
      jwks_uri: `${issuer.url}/oauth/discovery/keys`,
      id_token_signing_alg_values_supported: ['RS256'],
    });
  });

  it('in the key set is nothing but keys: another member would break validators', async () => {
    const response = await get(KEYS);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(Object.keys((await response.json()) as object)).toEqual(['keys']);
  });

  it('has two different keys from the first start on', async () => {
    const { keys } = await keySet();
    expect(keys).toHaveLength(2);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(2);
    expect(new Set(keys.map(({ n }) => n)).size).toBe(2);
  });

  it('has of each key exactly the six members that validators read, and no private one', async () => {
    for (const key of (await keySet()).keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
      expect(key).toMatchObject({ kty: 'RSA', use: 'sig', alg: 'RS256', e: 'AQAB' });
      expect(Buffer.from(key.n ?? '', 'base64url')).toHaveLength(256);
    }
  });

  it('names each key by its thumbprint (RFC 7638)', async () => {
    for (const { kty, n, e, kid } of (await keySet()).keys) {
      if (!kty || !n || !e) throw new Error('a key lacks what makes it one');
      expect(kid).toBe(await calculateJwkThumbprint({ kty, n, e }, 'sha256'));
    }
  });

  it('has one key that signs and one that will', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const instanceId = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId });
    const tokens = await Promise.all(Array.from({ length: 5 }, () => client.serviceToken()));
    const signers = new Set(tokens.map(({ token }) => decodeProtectedHeader(token).kid));
    expect(signers.size).toBe(1);

    const { items } = (await (await issuer.admin('GET', 'signing_keys')).json()) as {
      items: { kid: string; phase: string }[];
    };
    expect(items.map(({ phase }) => phase).sort()).toEqual(['current', 'next']);
    expect(items.find(({ phase }) => phase === 'current')?.kid).toBe([...signers][0]);
    expect((await keySet()).keys.map(({ kid }) => kid).sort()).toEqual(
      items.map(({ kid }) => kid).sort(),
    );
  });

  describe.each([DISCOVERY, KEYS])('at %s', (path) => {
    it('can be read without a credential, from any origin', async () => {
      const response = await get(path, { origin: 'https://elsewhere.example' });
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    });

    it('may be cached for far less time than validators keep keys', async () => {
      expect(maxAgeOf(await get(path))).toBeGreaterThanOrEqual(2880);
      expect(maxAgeOf(await get(path))).toBeLessThanOrEqual(3600);
    });

    it('has an ETag that changes only with the text', async () => {
      const [one, other] = [await get(path), await get(path)];
      expect(one.headers.get('etag')).toMatch(/^"[\w-]{20,}"$/);
      expect(other.headers.get('etag')).toBe(one.headers.get('etag'));
      expect(await other.text()).toBe(await one.text());
    });

    it('answers 304 without a body to a client with this ETag', async () => {
      const etag = (await get(path)).headers.get('etag') ?? '';
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, `W/"x",W/${etag}`, '*']) {
        const response = await get(path, { 'if-none-match': known });
        expect({ known, status: response.status }).toEqual({ known, status: 304 });
        expect(await response.text()).toBe('');
        expect(response.headers.get('etag')).toBe(etag);
        expect(maxAgeOf(response)).toBeGreaterThanOrEqual(2880);
      }
    });

    it('answers in full to a client with another ETag', async () => {
      const bare = ((await get(path)).headers.get('etag') ?? '').slice(1, -1);
      for (const known of ['"other"', bare, '""', '"*"', '']) {
        const response = await get(path, { 'if-none-match': known });
        expect({ known, status: response.status }).toEqual({ known, status: 200 });
      }
    });

    it('answers HEAD and ignores a query', async () => {
      const head = await fetch(issuer.url + path, { method: 'HEAD' });
      expect(head.status).toBe(200);
      expect(head.headers.get('etag')).toBe((await get(`${path}?t=1`)).headers.get('etag'));
    });
  });

  it('can be read by an OpenID client through a proxy that ends TLS', async () => {
    const origin = 'https://issuer.example';
    const proxied = await startTestIssuer({ environment: { ISSUER_URL: `${origin}/` } });
    const client = await openid.discovery(new URL(origin), 'a-client', undefined, openid.None(), {
      [openid.customFetch]: (url, { method, headers }) =>
        fetch(url.replace(origin, proxied.url), { method, headers }),
    });
    expect(client.serverMetadata()).toMatchObject({
      issuer: origin,
      jwks_uri: `${origin}/oauth/discovery/keys`,
    });
    await proxied.stop();
  });

  it('is not served below another path', async () => {
    for (const path of [`/issuer${DISCOVERY}`, `${KEYS}/x`, '/.well-known/jwks.json']) {
      expect((await get(path)).status).toBe(404);
    }
  });
});

describe.each(PATHS)('how long caches may keep %s', (path) => {
  let issuer: TestIssuer;
  let changeAt: number;
  const clock = new FakeClock(new Date('2026-06-15T12:00:00Z'));

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    // Nothing changes the keys but this test.
    issuer.running.app.get(Scheduler).stop();
    changeAt = Date.parse((await keyIn(issuer, 'current')).planned.retired_at ?? '');
  });
  afterAll(() => issuer.stop());

  /** The `max-age` of many answers, so many seconds before the keys change. */
  async function maxAges(secondsBefore: number): Promise<number[]> {
    clock.set(new Date(changeAt - secondsBefore * 1000));
    const answers = Array.from({ length: 30 }, () => fetch(issuer.url + path));
    return (await Promise.all(answers)).map(maxAgeOf);
  }

  it.each([
    [30 * 24 * HOUR_SECONDS, 2880, 3600],
    [HOUR_SECONDS, 2880, 3600],
    [HOUR_SECONDS - 100, 2800, 3500],
    [60, 48, 60],
    [1, 1, 1],
    [0.5, 0, 0],
  ])('ends before the keys change in %d seconds: %d to %d', async (before, shortest, longest) => {
    const seconds = await maxAges(before);
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(shortest);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(longest);
  });

  it('varies, so that caches do not all fetch again together', async () => {
    expect(new Set(await maxAges(HOUR_SECONDS)).size).toBeGreaterThan(10);
  });

  it('is a few seconds while a change is late, never zero or no-store (Vault #11438)', async () => {
    for (const late of [0, 60, 24 * HOUR_SECONDS]) {
      const seconds = await maxAges(-late);
      expect(Math.min(...seconds)).toBeGreaterThanOrEqual(8);
      expect(Math.max(...seconds)).toBeLessThanOrEqual(10);
    }
  });

  it('is an hour again once the keys have changed', async () => {
    clock.set(new Date(changeAt));
    expect(await keepKeys(issuer)).toEqual(['switch']);
    expect(Math.min(...(await maxAges(0)))).toBeGreaterThanOrEqual(2880);
  });
});

describe('a backend service that knows only the URL of the issuer', () => {
  const validatorsClock = new FakeClock();
  let token: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_pro' });
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    ({ token } = await client.serviceToken());
  });
  beforeEach(() => {
    validatorsClock.set(ISSUED_AT);
  });

  function validator(audience = AI_GATEWAY, issuerUrl = issuer.url): BackendValidator {
    return new BackendValidator(issuerUrl, audience, () => validatorsClock.now());
  }

  function judge(headers: Headers, audience = AI_GATEWAY): Promise<Verdict> {
    return validator(audience).judge(headers);
  }

  const FORBIDDEN = { accepted: false, error: 'Forbidden by auth provider' };
  const wrong = (header: string) => ({ accepted: false, error: `Header mismatch '${header}'` });

  it('accepts the token of a sync with the headers of its instance', async () => {
    const verdict = await judge(backendHeaders(token, INSTANCE_ID));
    expect(verdict).toMatchObject({
      accepted: true,
      claims: { iss: issuer.url, sub: INSTANCE_ID },
    });
    expect(verdict).toMatchObject({
      scopes: expect.arrayContaining(['include_file_context']) as [],
    });
  });

  it('finds exactly the scopes that were bought', async () => {
    const verdict = await judge(backendHeaders(token, INSTANCE_ID));
    if (!verdict.accepted) throw new Error(verdict.error);
    expect(verdict.scopes).toContain('complete_code');
    expect(verdict.scopes).not.toContain('ask_epic');
  });

  it('accepts it at each of its audiences and refuses it at any other', async () => {
    const { aud } = decodeJwt(token);
    expect(aud).toEqual(expect.arrayContaining([AI_GATEWAY, 'gitlab-duo-workflow-service']));
    for (const audience of aud ?? []) {
      expect((await judge(backendHeaders(token, INSTANCE_ID), audience)).accepted).toBe(true);
    }
    for (const audience of ['gitlab-other', '', issuer.url]) {
      expect(await judge(backendHeaders(token, INSTANCE_ID), audience)).toEqual(FORBIDDEN);
    }
  });

  it('ignores a path in the issuer URL, and still finds the keys', async () => {
    const odd = validator(AI_GATEWAY, `${issuer.url}/some/path`);
    expect((await odd.judge(backendHeaders(token, INSTANCE_ID))).accepted).toBe(true);
  });

  it.each([
    ['another instance', '11111111-2222-4333-8444-555555555555'],
    ['the same instance in lower case', INSTANCE_ID.toLowerCase()],
    ['no instance', ''],
  ])('refuses it from %s', async (_who, instanceId) => {
    expect(await judge(backendHeaders(token, instanceId))).toEqual(wrong('X-Gitlab-Instance-Id'));
  });

  it('refuses it from another realm or without one', async () => {
    const saas = backendHeaders(token, INSTANCE_ID, { 'x-gitlab-realm': 'saas' });
    expect(await judge(saas)).toEqual(wrong('X-Gitlab-Realm'));
    const none = backendHeaders(token, INSTANCE_ID);
    none.delete('x-gitlab-realm');
    expect(await judge(none)).toEqual(wrong('X-Gitlab-Realm'));
  });

  it('refuses it without the authentication type, and a request without a token', async () => {
    const untyped = backendHeaders(token, INSTANCE_ID);
    untyped.delete('x-gitlab-authentication-type');
    expect(await judge(untyped)).toEqual(FORBIDDEN);
    const bare = backendHeaders(token, INSTANCE_ID);
    bare.delete('authorization');
    expect(await judge(bare)).toEqual(FORBIDDEN);
  });

  it.each([
    ['2026-03-10T11:59:54Z', false, 'a second before nbf'],
    ['2026-03-10T11:59:55Z', true, 'at nbf, five seconds before it was issued'],
    ['2026-03-13T11:59:59Z', true, 'in its last second'],
    ['2026-03-13T12:00:01Z', false, 'a second after exp'],
  ])('whose clock says %s: accepts it is %s (%s)', async (now, accepted) => {
    validatorsClock.set(now);
    expect((await judge(backendHeaders(token, INSTANCE_ID))).accepted).toBe(accepted);
  });

  it('refuses it when any single character is changed', async () => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = decodeJwt(token);
    const forged = Buffer.from(JSON.stringify({ ...claims, scopes: ['ask_epic'] })).toString(
      'base64url',
    );
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const unsigned = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    for (const bad of [
      [header, forged, signature],
      [header, payload, flipped],
      [unsigned, payload, ''],
    ]) {
      expect(await judge(backendHeaders(bad.join('.'), INSTANCE_ID))).toEqual(FORBIDDEN);
    }
  });

  it('refuses the same claims under a key that is not published, even with a published kid', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { keys } = (await (await fetch(`${issuer.url}/oauth/discovery/keys`)).json()) as {
      keys: { kid: string }[];
    };
    const kid = keys[0]?.kid ?? '';
    const forged = await new SignJWT(decodeJwt(token))
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid })
      .sign(privateKey);
    expect(await judge(backendHeaders(forged, INSTANCE_ID))).toEqual(FORBIDDEN);
  });

  it('goes on with its cached keys when the issuer is down', async () => {
    const other = await startTestIssuer({ clock });
    const { licenseKey } = await registerLicense(other);
    const identity = { licenseKey, instanceId: INSTANCE_ID };
    const { token: last } = await new GitlabInstance(other.url, identity).serviceToken();
    const backend = validator('gitlab-security-gateway', other.url);
    expect((await backend.judge(backendHeaders(last, INSTANCE_ID))).accepted).toBe(true);
    await other.stop();
    expect((await backend.judge(backendHeaders(last, INSTANCE_ID))).accepted).toBe(true);
  });

  it('does not accept the token of one issuer as that of another', async () => {
    const other = await startTestIssuer({ clock });
    const verdict = await validator(AI_GATEWAY, other.url).judge(
      backendHeaders(token, INSTANCE_ID),
    );
    expect(verdict).toEqual(FORBIDDEN);
    await other.stop();
  });
});
