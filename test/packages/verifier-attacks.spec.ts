import { constants, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { createVerifier } from '../../packages/cloud-connector-verifier/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  AUDIENCE,
  ForeignIssuer,
  keyNumber,
  part,
  requestHeaders,
  signed,
} from './foreign-issuer.js';

type Json = Record<string, unknown>;

/** Patterns from RFC 8725, PortSwigger's and jwt_tool's lists, and the advisories of JOSE libraries. */
describe('a token made by hand', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  const now = clock.now();
  const attacker = keyNumber(1);
  let issuer: ForeignIssuer;
  let other: ForeignIssuer;
  let verifier: ReturnType<typeof createVerifier>;
  beforeAll(async () => {
    issuer = await new ForeignIssuer(keyNumber(0)).start();
    other = await new ForeignIssuer(keyNumber(2)).start();
    const issuers = [issuer.url, other.url];
    verifier = createVerifier({ issuers, audience: AUDIENCE, clock: () => clock.now() });
    await verifier.warmUp();
  });
  afterAll(() => Promise.all([issuer.stop(), other.stop()]));

  async function codeFor(token: string) {
    const verdict = await verifier.verify(token);
    if (verdict.accepted) return 'accepted';
    expect(verdict).toMatchObject({ status: 401, body: { error: 'Forbidden by auth provider' } });
    // Nothing of a token is repeated, not even in the reason for the log.
    for (const piece of token.split('.').filter(({ length }) => length > 20)) {
      expect(JSON.stringify(verdict)).not.toContain(piece);
    }
    return verdict.code;
  }
  const good = () => issuer.token(now);
  const unsigned = (header: unknown, claims: unknown = issuer.claims(now)) =>
    `${part(header)}.${part(claims)}.`;
  const hmac = (secret: string | Buffer, header: Json = {}, digest = 'sha256') => {
    const input = `${part(issuer.header({ alg: 'HS256', ...header }))}.${part(issuer.claims(now))}`;
    return `${input}.${createHmac(digest, secret).update(input).digest('base64url')}`;
  };
  const withHeader = (about: Json) => issuer.token(now, {}, about);
  const byAttacker = (header: Json = {}) =>
    signed(attacker, issuer.header(header), issuer.claims(now));

  it('is accepted when nothing is wrong with it', async () => {
    expect(await codeFor(good())).toBe('accepted');
  });

  it.each(['none', 'None', 'NONE', 'nOnE', '', null, undefined, 0, [], ['RS256'], 'rs256'])(
    'is refused with alg %j',
    async (alg) => {
      const header = { ...issuer.header(), alg };
      const [, , signature = ''] = good().split('.');
      for (const token of [unsigned(header), unsigned(header) + signature]) {
        expect(await codeFor(token)).toBe('ALGORITHM_NOT_ALLOWED');
      }
    },
  );

  it('is refused when the public key serves as the secret of an HMAC', async () => {
    const { publicKey, jwk, kid } = keyNumber(0);
    const secrets = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'pkcs1', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(jwk),
      JSON.stringify({ keys: [jwk] }),
      String(jwk['n']),
      kid,
      '',
      '\0',
      'secret',
    ];
    for (const secret of secrets) {
      expect(await codeFor(hmac(secret))).toBe('ALGORITHM_NOT_ALLOWED');
      expect(await codeFor(hmac(secret, { alg: 'RS256' }))).toBe('SIGNATURE_INVALID');
      expect(await codeFor(hmac(secret, { alg: 'HS512' }, 'sha512'))).toBe('ALGORITHM_NOT_ALLOWED');
    }
  });

  it('is refused with another algorithm of the same key, whatever its header says', async () => {
    for (const [digest, name] of [
      ['RSA-SHA384', 'RS384'],
      ['RSA-SHA512', 'RS512'],
    ] as const) {
      for (const [alg, code] of [
        [name, 'ALGORITHM_NOT_ALLOWED'],
        ['RS256', 'SIGNATURE_INVALID'],
      ]) {
        const input = `${part(issuer.header({ alg }))}.${part(issuer.claims(now))}`;
        const signature = sign(digest, Buffer.from(input), keyNumber(0).privateKey);
        expect(await codeFor(`${input}.${signature.toString('base64url')}`)).toBe(code);
      }
    }
    const input = `${part(issuer.header())}.${part(issuer.claims(now))}`;
    const pss = { key: keyNumber(0).privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    const signature = sign('RSA-SHA256', Buffer.from(input), pss).toString('base64url');
    expect(await codeFor(`${input}.${signature}`)).toBe('SIGNATURE_INVALID');
  });

  it('is refused with a signature of an elliptic curve, also of zeros (CVE-2022-21449)', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const input = `${part(issuer.header({ alg: 'ES256' }))}.${part(issuer.claims(now))}`;
    const signatures = [sign('sha256', Buffer.from(input), privateKey), Buffer.alloc(64)];
    for (const signature of signatures) {
      const token = `${input}.${signature.toString('base64url')}`;
      expect(await codeFor(token)).toBe('ALGORITHM_NOT_ALLOWED');
    }
    for (const length of [1, 64, 255, 256, 257, 512]) {
      const zeros = Buffer.alloc(length).toString('base64url');
      const token = `${part(issuer.header())}.${part(issuer.claims(now))}.${zeros}`;
      expect(await codeFor(token)).toBe('SIGNATURE_INVALID');
    }
  });

  it('is refused when it brings a key of its own, or says where one is', async () => {
    const hook = `${issuer.url}/evil`;
    for (const member of [
      { jwk: attacker.jwk },
      { jku: hook },
      { x5u: hook },
      { x5c: ['MIIB'] },
      { jwk: attacker.jwk, kid: attacker.kid },
      { jku: hook, kid: attacker.kid },
    ]) {
      expect(await codeFor(byAttacker(member))).toBe('TOKEN_MALFORMED');
      expect(await codeFor(withHeader(member))).toBe('TOKEN_MALFORMED');
    }
    expect(issuer.requests).not.toContain('/evil');
  });

  it.each([
    '../../../../dev/null',
    '/dev/null',
    "' OR 1=1 --",
    "x' UNION SELECT 'secret",
    '| sleep 10 |',
    '__proto__',
    'constructor',
    'toString',
    'size',
    '\0',
    'http://evil.example/key',
  ])('is refused with the kid %j', async (kid) => {
    expect(await codeFor(byAttacker({ kid }))).toBe('KEY_UNKNOWN');
    expect(await codeFor(withHeader({ kid }))).toBe('KEY_UNKNOWN');
  });

  it.each([undefined, null, '', 0, {}, [keyNumber(0).kid]])(
    'is refused with %j for a kid',
    async (kid) => {
      expect(await codeFor(withHeader({ kid }))).toBe('KEY_UNKNOWN');
    },
  );

  it('is refused when it is signed with a key that the kid does not name', async () => {
    expect(await codeFor(byAttacker())).toBe('SIGNATURE_INVALID');
  });

  it('of one issuer is refused with the key of another that is trusted as well', async () => {
    const claims = issuer.claims(now);
    const { key } = other;
    const header = other.header();
    expect(await codeFor(signed(key, header, claims))).toBe('KEY_UNKNOWN');
    expect(await codeFor(signed(key, issuer.header(), claims))).toBe('SIGNATURE_INVALID');
    expect(await codeFor(signed(key, header, other.claims(now)))).toBe('accepted');
  });

  it.each([
    { crit: ['exp'] },
    { crit: ['b64'], b64: true },
    { crit: [] },
    { crit: null },
    { b64: false },
    { b64: false, crit: ['b64'] },
    { zip: 'DEF' },
    { enc: 'A128GCM' },
  ])('is refused with %j in its header', async (about) => {
    expect(await codeFor(withHeader(about))).toBe('TOKEN_MALFORMED');
  });

  it.each([
    'statuslist+jwt',
    'application/statuslist+jwt',
    'at+jwt',
    'checkpoint+jwt',
    '',
    null,
    7,
  ])('is refused with the typ %j', async (typ) => {
    expect(await codeFor(withHeader({ typ }))).toBe('TOKEN_TYPE_INVALID');
  });

  it('is refused without a typ, and accepted with another spelling of JWT', async () => {
    expect(await codeFor(withHeader({ typ: undefined }))).toBe('TOKEN_TYPE_INVALID');
    expect(await codeFor(withHeader({ typ: 'jwt' }))).toBe('accepted');
    expect(await codeFor(withHeader({ typ: 'application/jwt' }))).toBe('accepted');
  });

  it('is not let in by header names that a client repeats', async () => {
    const headers = requestHeaders(good(), { 'X-Gitlab-Realm': 'saas' });
    expect(await verifier.verify(headers)).toMatchObject({ code: 'HEADER_MISMATCH' });
  });
});
