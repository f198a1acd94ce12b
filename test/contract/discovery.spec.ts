import { calculateJwkThumbprint, decodeProtectedHeader, type JWK } from 'jose';
import * as openid from 'openid-client';
import { registerPaidLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { maxAgeOf } from './max-age.js';

const DISCOVERY = '/.well-known/openid-configuration';
const KEYS = '/oauth/discovery/keys';

describe('what the issuer publishes', () => {
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(issuer.url + path, { headers });
  }

  async function keySet(): Promise<{ readonly keys: readonly JWK[] }> {
    return (await (await get(KEYS)).json()) as { keys: readonly JWK[] };
  }

  it('in discovery are exactly three members, so that none has to be meaningless', async () => {
    const response = await get(DISCOVERY);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      issuer: issuer.url,
      jwks_uri: `${issuer.url}/oauth/discovery/keys`,
      id_token_signing_alg_values_supported: ['RS256'],
    });
  });

  it('in the key set is nothing but keys: another member takes validators down', async () => {
    const response = await get(KEYS);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(Object.keys((await response.json()) as object)).toEqual(['keys']);
  });

  it('are two different keys from the first start on', async () => {
    const { keys } = await keySet();
    expect(keys).toHaveLength(2);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(2);
    expect(new Set(keys.map(({ n }) => n)).size).toBe(2);
  });

  it('of a key are exactly the six members that validators read, and no private one', async () => {
    for (const key of (await keySet()).keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
      expect(key).toMatchObject({ kty: 'RSA', use: 'sig', alg: 'RS256', e: 'AQAB' });
      expect(Buffer.from(key.n ?? '', 'base64url')).toHaveLength(256);
    }
  });

  it('as the kid of a key is its thumbprint of RFC 7638', async () => {
    for (const { kty, n, e, kid } of (await keySet()).keys) {
      if (!kty || !n || !e) throw new Error('a key lacks what makes it one');
      expect(kid).toBe(await calculateJwkThumbprint({ kty, n, e }, 'sha256'));
    }
  });

  it('is one key that signs and one that will', async () => {
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
    it('needs no credential and may be read from anywhere', async () => {
      const response = await get(path, { origin: 'https://elsewhere.example' });
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    });

    it('may be cached, far shorter than validators keep keys anyway', async () => {
      expect(maxAgeOf(await get(path))).toBeGreaterThanOrEqual(2880);
      expect(maxAgeOf(await get(path))).toBeLessThanOrEqual(3600);
    });

    it('has an ETag that stays as long as the text does', async () => {
      const [one, other] = [await get(path), await get(path)];
      expect(one.headers.get('etag')).toMatch(/^"[\w-]{20,}"$/);
      expect(other.headers.get('etag')).toBe(one.headers.get('etag'));
      expect(await other.text()).toBe(await one.text());
    });

    it('answers 304 without a body to whoever has it', async () => {
      const etag = (await get(path)).headers.get('etag') ?? '';
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, `W/"x",W/${etag}`, '*']) {
        const response = await get(path, { 'if-none-match': known });
        expect({ known, status: response.status }).toEqual({ known, status: 304 });
        expect(await response.text()).toBe('');
        expect(response.headers.get('etag')).toBe(etag);
        expect(maxAgeOf(response)).toBeGreaterThanOrEqual(2880);
      }
    });

    it('answers in full to whoever has another one', async () => {
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

  it('is found by an OpenID client through a proxy that ends TLS', async () => {
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

  it('is not to be found below another path', async () => {
    for (const path of [`/issuer${DISCOVERY}`, `${KEYS}/`, '/.well-known/jwks.json']) {
      expect((await get(path)).status).toBe(404);
    }
  });
});
