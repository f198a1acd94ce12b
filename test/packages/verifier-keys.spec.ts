import {
  createVerifier,
  type VerifierEvent,
  type VerifierOptions,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type Answer,
  AUDIENCE,
  ForeignIssuer,
  foreignKey,
  keyNumber,
  requestHeaders,
  signed,
} from './foreign-issuer.js';

const MINUTE_MS = 60_000;

describe('the keys of a verifier', () => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  let events: VerifierEvent[];
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    events = [];
    issuer = await new ForeignIssuer().start();
  });
  afterEach(() => issuer.stop());

  const created = (about: Partial<VerifierOptions> = {}) =>
    createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      clock: () => clock.now(),
      onEvent: (event) => events.push(event),
      timeoutMs: 500,
      ...about,
    });
  type Created = ReturnType<typeof created>;
  const signedBy = (key = keyNumber(0), of = issuer) =>
    signed(key, of.header({ kid: key.kid }), of.claims(clock.now()));
  async function codeFor(verifier: Created, key = keyNumber(0), of = issuer) {
    const verdict = await verifier.verify(requestHeaders(signedBy(key, of)));
    return verdict.accepted ? 'accepted' : verdict.code;
  }
  /** What goes on in the background ends with an event. */
  async function heard(count: number) {
    while (events.length < count) await new Promise((resolve) => setImmediate(resolve));
  }

  it('are fetched once, however many ask at the same time', async () => {
    const verifier = created();
    const codes = await Promise.all(Array.from({ length: 50 }, () => codeFor(verifier)));
    expect(new Set(codes)).toEqual(new Set(['accepted']));
    expect(issuer.fetches()).toBe(1);
  });

  it('are fetched again for an unknown kid, but not before the cool-down has passed', async () => {
    const verifier = created();
    await verifier.warmUp();
    issuer.publish(keyNumber(0).jwk, keyNumber(1).jwk);
    clock.advance(29_999);
    expect(await codeFor(verifier, keyNumber(1))).toBe('KEY_UNKNOWN');
    expect(issuer.fetches()).toBe(1);
    clock.advance(1);
    const codes = await Promise.all([1, 1, 1, 0].map((n) => codeFor(verifier, keyNumber(n))));
    expect(new Set(codes)).toEqual(new Set(['accepted']));
    expect(issuer.fetches()).toBe(2);
    for (let n = 0; n < 20; n += 1) {
      expect(await codeFor(verifier, keyNumber(2))).toBe('KEY_UNKNOWN');
    }
    expect(issuer.fetches()).toBe(2);
  });

  it('are refreshed in the background once their max-age has passed, and forgotten when gone', async () => {
    const verifier = created();
    await codeFor(verifier);
    issuer.publish(keyNumber(1).jwk);
    clock.advance(10 * MINUTE_MS - 1);
    expect(await codeFor(verifier)).toBe('accepted');
    expect(issuer.fetches()).toBe(1);
    clock.advance(1);
    expect(await codeFor(verifier)).toBe('accepted');
    await heard(2);
    expect(await codeFor(verifier)).toBe('KEY_UNKNOWN');
    expect(await codeFor(verifier, keyNumber(1))).toBe('accepted');
  });

  it('are waited for after a quiet hour, in which one of them may have been withdrawn', async () => {
    const verifier = created();
    await codeFor(verifier);
    issuer.publish(keyNumber(1).jwk);
    clock.advance(61 * MINUTE_MS);
    expect(await codeFor(verifier)).toBe('KEY_UNKNOWN');
  });

  it.each([
    ['max-age=0', 60],
    ['no-store', 60],
    ['max-age=31536000', 86_400],
    ['public', 3600],
  ])('with Cache-Control %s stay fresh for %i seconds', async (cacheControl, seconds) => {
    issuer.cacheControl = cacheControl;
    const verifier = created();
    await codeFor(verifier);
    clock.advance(seconds * 1000 - 1);
    await codeFor(verifier);
    expect(issuer.fetches()).toBe(1);
    clock.advance(1);
    await codeFor(verifier);
    await heard(2);
    expect(issuer.fetches()).toBe(2);
  });

  const broken: [string, () => Answer][] = [
    ['no keys', () => ({ keys: [] })],
    ['keys that are no list', () => ({ keys: {} })],
    ['another document', () => ({ error: 'maintenance' })],
    ['half a document', () => (response) => void response.end('{"keys":[{"kty":"RS')],
    ['only keys that nobody can use', () => ({ keys: [{}, null, 7, { kty: 'EC', kid: 'x' }] })],
    ['an error', () => (response) => void response.writeHead(503).end('{"keys":[]}')],
    ['a redirect', () => (response) => void response.writeHead(302, { location: '/b' }).end()],
    ['300,000 bytes', () => (response) => void response.end(`{"keys":["${'x'.repeat(300_000)}"]}`)],
    ['a cut connection', () => (response) => void response.destroy()],
    ['silence', () => () => undefined],
    ['a body that never ends', () => (response) => void response.write('{"keys":[')],
  ];

  it.each(broken)('are kept when the issuer answers with %s', async (_what, answer) => {
    const verifier = created();
    await codeFor(verifier);
    issuer.answers.set('/b', { keys: [keyNumber(1).jwk] });
    issuer.answers.set('/jwks', answer());
    clock.advance(10 * MINUTE_MS);
    expect(await codeFor(verifier)).toBe('accepted');
    await heard(2);
    expect(events[1]).toMatchObject({ type: 'keys_refresh_failed', issuer: issuer.url });
    clock.advance(6 * 24 * 60 * MINUTE_MS);
    expect(await codeFor(verifier)).toBe('accepted');
    expect(verifier.state()).toMatchObject([{ issuer: issuer.url, kids: [keyNumber(0).kid] }]);
  });

  it.each(broken)(
    'come as soon as the issuer that began with %s is well',
    async (_what, answer) => {
      const good = issuer.answers.get('/jwks') ?? {};
      issuer.answers.set('/jwks', answer());
      const verifier = created();
      expect(await codeFor(verifier)).toBe('KEYS_UNAVAILABLE');
      issuer.answers.set('/jwks', good);
      expect(await codeFor(verifier)).toBe('KEYS_UNAVAILABLE');
      clock.advance(5000);
      expect(await codeFor(verifier)).toBe('accepted');
    },
  );

  it('are used for seven days at most without an answer', async () => {
    const verifier = created();
    await codeFor(verifier);
    issuer.answers.delete('/jwks');
    clock.advance(7 * 24 * 60 * MINUTE_MS);
    expect(await codeFor(verifier)).toBe('accepted');
    clock.advance(MINUTE_MS);
    expect(await codeFor(verifier)).toBe('KEYS_UNAVAILABLE');
  });

  it('are taken from a document whose other entries nobody can use', async () => {
    const good = keyNumber(0).jwk;
    const withoutKid = { ...keyNumber(1).jwk, kid: undefined };
    issuer.publish(
      null,
      'key',
      withoutKid,
      { ...keyNumber(1).jwk, kid: 7 },
      { ...good, n: '' },
      { ...good, n: null },
      { kty: 'EC', crv: 'P-256', kid: 'ec', use: 'sig', alg: 'ES256', x: 'x', y: 'y' },
      { kty: 'oct', k: 'c2VjcmV0', kid: 'oct', use: 'sig', alg: 'HS256' },
      { ...good, use: 'enc' },
      { ...foreignKey(1024).jwk, kid: 'short' },
      good,
      good,
    );
    const verifier = created();
    expect(await codeFor(verifier)).toBe('accepted');
    expect(verifier.state()[0]?.kids).toEqual([good['kid']]);
    expect(events).toMatchObject([{ type: 'keys_refreshed', skipped: { length: 10 } }]);
  });

  it('are kept one by one where an entry has become unusable or ambiguous', async () => {
    issuer.publish(keyNumber(0).jwk, keyNumber(1).jwk);
    const verifier = created();
    await codeFor(verifier);
    const impostor = { ...keyNumber(3).jwk, kid: keyNumber(1).kid };
    const partial = { ...keyNumber(0).jwk, n: undefined };
    issuer.publish(partial, keyNumber(1).jwk, impostor, keyNumber(2).jwk);
    clock.advance(30_000);
    for (const n of [2, 1, 0]) expect(await codeFor(verifier, keyNumber(n))).toBe('accepted');
  });

  it.each([
    ['names another issuer', { issuer: 'https://other.example' }],
    ['names no issuer', { issuer: undefined }],
    ['puts the keys on another origin', { jwks_uri: 'https://evil.example/jwks' }],
    ['puts the keys behind plain http', { jwks_uri: 'http://issuer.example/jwks' }],
    ['has no jwks_uri', { jwks_uri: 7 }],
  ])('are not taken from a discovery document that %s', async (_what, about) => {
    const discovery = { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, ...about };
    issuer.answers.set('/.well-known/openid-configuration', discovery);
    expect(await codeFor(created())).toBe('KEYS_UNAVAILABLE');
    expect(issuer.fetches()).toBe(0);
  });

  it('may stand on another origin that the issuer was configured with', async () => {
    const keys = await new ForeignIssuer(keyNumber(0)).start();
    issuer.answers.set('/.well-known/openid-configuration', {
      issuer: issuer.url,
      jwks_uri: `${keys.url}/jwks`,
    });
    expect(await codeFor(created())).toBe('KEYS_UNAVAILABLE');
    const trusted = { issuer: issuer.url, keyOrigins: [keys.url] };
    expect(await codeFor(created({ issuers: [trusted] }))).toBe('accepted');
    await keys.stop();
  });

  it('of one issuer say nothing about tokens of another, which is neither hurt nor slowed', async () => {
    const other = await new ForeignIssuer(keyNumber(1)).start();
    const verifier = created({ issuers: [issuer.url, other.url], timeoutMs: 60_000 });
    let waiting = 0;
    issuer.answers.set('/.well-known/openid-configuration', () => (waiting += 1));
    const stuck = codeFor(verifier, keyNumber(0), issuer);
    expect(await codeFor(verifier, keyNumber(1), other)).toBe('accepted');
    expect(await codeFor(verifier, keyNumber(0), other)).toBe('KEY_UNKNOWN');
    while (waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    await issuer.stop();
    expect(await stuck).toBe('KEYS_UNAVAILABLE');
    await other.stop();
  });

  it('are fetched again after the clock was set back', async () => {
    const verifier = created();
    await codeFor(verifier);
    issuer.publish(keyNumber(1).jwk);
    clock.advance(-24 * 60 * MINUTE_MS);
    expect(await codeFor(verifier, keyNumber(1))).toBe('accepted');
  });
});
