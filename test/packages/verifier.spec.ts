import { constants, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import {
  createVerifier,
  expressGuard,
  type Verdict,
  type VerifierEvent,
  type VerifierOptions,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type Answer,
  AUDIENCE,
  ForeignIssuer,
  foreignKey,
  INSTANCE,
  keyNumber,
  part,
  requestHeaders,
  signed,
} from './foreign-issuer.js';

const NOW = '2026-03-10T12:00:00Z';
const MINUTE_MS = 60_000;

describe('a verifier of service tokens', () => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  beforeEach(async () => {
    clock.set(NOW);
    issuer = await new ForeignIssuer().start();
  });
  afterEach(() => issuer.stop());

  const verifier = (about: Partial<VerifierOptions> = {}) =>
    createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      clock: () => clock.now(),
      ...about,
    });
  const token = (about = {}) => issuer.token(clock.now(), about);
  const codeOf = (verdict: Verdict) => (verdict.accepted ? 'accepted' : verdict.code);

  it('accepts a good token of a foreign issuer, and returns whose it is', async () => {
    const verdict = await verifier().verify(requestHeaders(token()));
    expect(verdict).toMatchObject({
      accepted: true,
      user: {
        issuer: issuer.url,
        instanceId: INSTANCE,
        realm: 'self-managed',
        scopes: ['duo_chat'],
      },
    });
    const user = verdict.accepted ? verdict.user : null;
    expect(user?.can('duo_chat')).toBe(true);
    expect(user?.can('code_suggestions')).toBe(false);
    expect(user?.can('duo_chat', { disallowedIssuers: [issuer.url] })).toBe(false);
    expect(user?.can('duo_chat', { disallowedIssuers: ['https://other.example'] })).toBe(true);
  });

  it('reads headers of Fetch and of Node, and a bare token without headers', async () => {
    const headers = requestHeaders(token());
    for (const request of [headers, new Headers(headers), token()]) {
      expect(codeOf(await verifier().verify(request))).toBe('accepted');
    }
  });

  it.each([
    ['authorization', undefined, 'No authorization header presented'],
    ['authorization', 'Basic YTpi', 'Invalid authorization header'],
    ['authorization', 'Bearer', 'Invalid authorization header'],
    ['authorization', 'Bearer  x.y.z', 'Invalid authorization header'],
    ['authorization', 'Bearer x.y.z, Bearer x.y.z', 'Invalid authorization header'],
    ['authorization', 'Bearer x.y.z', 'Forbidden by auth provider'],
    [
      'x-gitlab-authentication-type',
      'OIDC',
      'Invalid authentication token type - only OIDC is supported',
    ],
    [
      'x-gitlab-authentication-type',
      undefined,
      'Invalid authentication token type - only OIDC is supported',
    ],
    ['x-gitlab-realm', 'saas', "Header mismatch 'X-Gitlab-Realm'"],
    ['x-gitlab-realm', undefined, "Header mismatch 'X-Gitlab-Realm'"],
    ['x-gitlab-instance-id', INSTANCE.toUpperCase(), "Header mismatch 'X-Gitlab-Instance-Id'"],
    ['x-gitlab-instance-id', undefined, "Header mismatch 'X-Gitlab-Instance-Id'"],
  ])('answers 401 to a request whose %s is %s', async (name, value, error) => {
    const verdict = await verifier().verify(requestHeaders(token(), { [name]: value }));
    expect(verdict).toMatchObject({ accepted: false, status: 401, body: { error } });
  });

  it('compares gitlab_instance_id with the same header, unless it is empty', async () => {
    const other = token({ gitlab_instance_id: 'another' });
    expect(await verifier().verify(requestHeaders(other))).toMatchObject({
      code: 'HEADER_MISMATCH',
      body: { error: "Header mismatch 'X-Gitlab-Instance-Id'" },
    });
    for (const gitlab_instance_id of ['', INSTANCE]) {
      const same = requestHeaders(token({ gitlab_instance_id }));
      expect(codeOf(await verifier().verify(same))).toBe('accepted');
    }
  });

  it('accepts a token from nbf on and before exp, with the leeway that it is given', async () => {
    const held = requestHeaders(token());
    const codeAt = async (instant: string, leewaySeconds: number) => {
      clock.set(instant);
      return codeOf(await verifier({ leewaySeconds }).verify(held));
    };
    expect(await codeAt('2026-03-10T11:59:54.999Z', 0)).toBe('TOKEN_NOT_YET_VALID');
    expect(await codeAt('2026-03-10T11:59:55.000Z', 0)).toBe('accepted');
    expect(await codeAt('2026-03-10T12:59:59.999Z', 0)).toBe('accepted');
    expect(await codeAt('2026-03-10T13:00:00.000Z', 0)).toBe('TOKEN_EXPIRED');
    expect(await codeAt('2026-03-10T11:59:44.999Z', 10)).toBe('TOKEN_NOT_YET_VALID');
    expect(await codeAt('2026-03-10T11:59:45.000Z', 10)).toBe('accepted');
    expect(await codeAt('2026-03-10T13:00:09.999Z', 10)).toBe('accepted');
    expect(await codeAt('2026-03-10T13:00:10.000Z', 10)).toBe('TOKEN_EXPIRED');
  });

  it.each([
    { issuers: [] },
    { issuers: ['http://issuer.example'] },
    { issuers: ['not a URL'] },
    { issuers: ['https://a.example', 'https://a.example'] },
    { issuers: [{ issuer: 'https://a.example', keyOrigins: ['http://keys.example'] }] },
    { issuers: undefined as unknown as [] },
    { issuers: 'https://a.example' as unknown as [] },
    { issuers: [undefined as unknown as string] },
    { issuers: [''] },
    { issuers: [{ issuer: 'https://a.example', keyOrigin: [] } as { issuer: string }] },
    { audience: '' },
    { audience: [] },
    { audience: undefined as unknown as string },
    { audience: [undefined as unknown as string] },
    { statuslist: true },
    { statusList: 'true' as unknown as boolean },
    { whenStatusUnavailable: 'deny' as 'refuse' },
    { clock: new Date() as unknown as () => Date },
    { leewaySeconds: -1 },
    { leewaySeconds: NaN },
    { leewaySeconds: '60' as unknown as number },
    { cooldownSeconds: NaN },
    { maxStaleSeconds: Infinity },
    { timeoutMs: -1 },
  ])('cannot be made with %j', (about) => {
    expect(() => verifier(about)).toThrow(TypeError);
  });

  const good = 'https://a.example';
  const unset = undefined as unknown as string;
  const mustBeSafe = 'must be an https URL (or http on a loopback host), without user and password';
  it.each<[Partial<VerifierOptions>, string]>([
    [{ issuers: [good, ''] }, 'issuers[1] is empty: is a variable of the environment not set?'],
    [{ issuers: [good, ' \n'] }, 'issuers[1] is empty'],
    [{ issuers: [good, 'https://b.example', unset] }, 'issuers[2] is undefined'],
    [{ issuers: [7 as unknown as string] }, 'issuers[0] is not a text'],
    [{ issuers: [good, { issuer: '' }] }, `issuers[1].issuer ${mustBeSafe}`],
    [{ issuers: [good, 'ftp://a.example'] }, `issuers[1] ${mustBeSafe}`],
    [{ issuers: [good, 'a.example'] }, `issuers[1] ${mustBeSafe}`],
    [{ issuers: ['https://a.example?x'] }, `issuers[0] ${mustBeSafe}, query and fragment`],
    [{ issuers: ['https://u:secret@a.example'] }, `issuers[0] ${mustBeSafe}`],
    [{ issuers: [{ issuer: good, keyOrigins: [''] }] }, 'issuers[0].keyOrigins must be a list'],
    [{ issuers: [good, 'https://b.example', `${good}/`] }, 'issuers[2] is the same as issuers[0]'],
    [{ issuers: [good, ` ${good}`] }, 'issuers[1] is the same as issuers[0]'],
    [{ audience: ['a', ''] }, 'audience[1] is empty'],
    [{ audience: ['a', unset] }, 'audience[1] is undefined'],
    [{ audience: '' }, 'audience must be a name'],
  ])('names the place of what is wrong in %j', (about, message) => {
    expect(() => verifier(about)).toThrow(message);
    const errorOf = () => {
      try {
        verifier(about);
      } catch (error) {
        return String(error);
      }
      return '';
    };
    expect(errorOf()).not.toContain('secret');
  });

  it.each(['', '/'].flatMap((a) => ['', '/'].flatMap((b) => ['', '/'].map((c) => [a, b, c]))))(
    'takes an issuer for the same with a slash or without: configured %j, in discovery %j, as iss %j',
    async (configured = '', published = '', claimed = '') => {
      issuer.answers.set('/.well-known/openid-configuration', {
        issuer: issuer.url + published,
        jwks_uri: `${issuer.url}/jwks`,
      });
      const issuers = [` ${issuer.url}${configured}\n`];
      const verdict = await verifier({ issuers, audience: [' other', `${AUDIENCE} `] }).verify(
        requestHeaders(token({ iss: issuer.url + claimed })),
      );
      expect(verdict).toMatchObject({ accepted: true, user: { issuer: issuer.url } });
      if (!verdict.accepted) return;
      const shouted = issuer.url.toUpperCase();
      const forms = [issuer.url, `${issuer.url}/`, ` ${issuer.url}`, `${issuer.url}//`, shouted];
      for (const disallowed of forms) {
        expect(verdict.user.can('duo_chat', { disallowedIssuers: [disallowed] })).toBe(false);
      }
    },
  );

  it('refuses what is not a request, like a request without a token', async () => {
    for (const nothing of [undefined, null, 7]) {
      const verdict = await verifier().verify(nothing as unknown as string);
      expect(codeOf(verdict)).toBe('AUTHORIZATION_MISSING');
    }
  });

  it('takes http from a loopback host only', () => {
    for (const host of ['localhost:3000', '127.0.0.1:1', '[::1]:80']) {
      expect(() => verifier({ issuers: [`http://${host}`] })).not.toThrow();
    }
    for (const host of ['localhost.example', '127.0.0.1.example', '10.0.0.1', 'a@b']) {
      expect(() => verifier({ issuers: [`http://${host}`] })).toThrow(TypeError);
    }
  });
});

describe('a token of an odd shape', () => {
  const now = new Date('2026-03-10T12:00:00Z');
  let issuer: ForeignIssuer;
  let verifier: ReturnType<typeof createVerifier>;
  beforeAll(async () => {
    issuer = await new ForeignIssuer(keyNumber(0)).start();
    verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE, clock: () => now });
  });
  afterAll(() => issuer.stop());

  async function codeFor(token: string) {
    const verdict = await verifier.verify(token);
    return verdict.accepted ? 'accepted' : verdict.code;
  }
  const withClaims = (about: Json) => codeFor(issuer.token(now, about));
  const spelled = (from: string, to: string) => {
    const claims = JSON.stringify(issuer.claims(now));
    expect(claims).toContain(from);
    return codeFor(signed(issuer.key, issuer.header(), claims.replace(from, to)));
  };

  it('is refused in any form other than the compact one', async () => {
    const token = issuer.token(now);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const flattened = { protected: header, payload, signature };
    const general = { payload, signatures: [{ protected: header, signature }] };
    const forms = [
      '',
      '.',
      '..',
      '...',
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `\ufeff${token}`,
      `${token}.`,
      `${token}.${signature}`,
      `${token}${token}`,
      `${token},${token}`,
      `${token}=`,
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      `${header}=.${payload}.${signature}`,
      `${header}.${payload}.!${signature}`,
      `${header}\n.${payload}.${signature}`,
      token.replaceAll('.', '\u2024'),
      `${header}.${payload}.${Buffer.from(signature, 'base64url').toString('base64')}==`,
      JSON.stringify(flattened),
      JSON.stringify(general),
      JSON.stringify({ access_token: token }),
      `${header}.a.b.c.${signature}`,
      token.padEnd(16_385, 'A'),
      'A'.repeat(1_000_000),
    ];
    for (const form of forms)
      expect([form, await codeFor(form)]).toEqual([form, 'TOKEN_MALFORMED']);
  });

  it('is refused in a second spelling of the same signature', async () => {
    const token = issuer.token(now);
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // 256 bytes leave four bits of the last character unused.
    const next = letters[letters.indexOf(token.at(-1) ?? '') + 1] ?? '';
    expect(await codeFor(token.slice(0, -1) + next)).toBe('TOKEN_MALFORMED');
  });

  it.each(['null', '[]', '"text"', '7', '{', '{"a":1}{}', '\u0000', "{'alg':'RS256'}"])(
    'is refused with %j for its header or its payload',
    async (text) => {
      const { key } = issuer;
      expect(await codeFor(signed(key, text, issuer.claims(now)))).toBe('TOKEN_MALFORMED');
      expect(await codeFor(signed(key, issuer.header(), text))).toBe('TOKEN_MALFORMED');
    },
  );

  it('is refused with a duplicate member in the header or in the claims', async () => {
    const { key } = issuer;
    const { kid } = key;
    for (const header of [
      `{"typ":"JWT","alg":"RS256","alg":"none","kid":"${kid}"}`,
      `{"typ":"JWT","alg":"none","alg":"RS256","kid":"${kid}"}`,
      `{"typ":"JWT","alg":"RS256","kid":"evil","kid":"${kid}"}`,
      `{"typ":"JWT","\\u0061lg":"none","alg":"RS256","kid":"${kid}"}`,
    ]) {
      expect(await codeFor(signed(key, header, issuer.claims(now)))).toBe('TOKEN_MALFORMED');
    }
    expect(await spelled('"sub":', '"sub":"other","sub":')).toBe('TOKEN_MALFORMED');
    expect(await spelled('"exp":', '"\\u0065xp":99999999999,"exp":')).toBe('TOKEN_MALFORMED');
  });

  it.each(['iss', 'aud', 'sub', 'jti', 'iat', 'exp', 'scopes', 'gitlab_realm'])(
    'is refused without %s, or with one of another type',
    async (claim) => {
      for (const value of [undefined, null, '', 1.5, true, {}, [], [7], [null], [['x']]]) {
        if (claim === 'scopes' && Array.isArray(value) && value.length === 0) continue;
        expect([claim, value, await withClaims({ [claim]: value })]).toEqual([
          claim,
          value,
          'CLAIM_INVALID',
        ]);
      }
    },
  );

  it.each(['iat', 'nbf', 'exp'])(
    'is refused with an %s that is not a number of seconds',
    async (claim) => {
      const at = Number(issuer.claims(now)[claim]);
      for (const value of [String(at), 'NaN', 'Infinity', -1, at + 0.5, at * 1000, 1e21, [at]]) {
        expect(await withClaims({ [claim]: value })).toBe('CLAIM_INVALID');
      }
      for (const text of ['1e400', '-1e400', '1e308', `${at}0000000000000000`]) {
        expect(await spelled(`"${claim}":${at}`, `"${claim}":${text}`)).toBe('CLAIM_INVALID');
      }
      for (const text of ['NaN', 'Infinity', `0${at}`, `+${at}`]) {
        expect(await spelled(`"${claim}":${at}`, `"${claim}":${text}`)).toBe('TOKEN_MALFORMED');
      }
    },
  );

  it('is accepted without nbf and without scopes', async () => {
    expect(await withClaims({ nbf: undefined })).toBe('accepted');
    expect(await withClaims({ scopes: [] })).toBe('accepted');
  });

  it('has an audience that is exactly ours, alone or among others', async () => {
    for (const aud of [AUDIENCE, [AUDIENCE], ['x', AUDIENCE]]) {
      expect(await withClaims({ aud })).toBe('accepted');
    }
    for (const aud of ['x', ['x'], `${AUDIENCE} `, `${AUDIENCE},x`, [`${AUDIENCE}-evil`], '*']) {
      expect(await withClaims({ aud })).toBe('AUDIENCE_MISMATCH');
    }
    for (const aud of [{ 0: AUDIENCE }, [AUDIENCE, 7], [[AUDIENCE]]]) {
      expect(await withClaims({ aud })).toBe('CLAIM_INVALID');
    }
  });

  it('has an issuer that is exactly one of those trusted', async () => {
    const { url } = issuer;
    const lookalikes = [
      `${url}//`,
      `${url}/x`,
      url.toUpperCase(),
      `${url}@evil.example`,
      ` ${url}`,
    ];
    for (const iss of [...lookalikes, '__proto__', 'constructor', 'https://evil.example']) {
      expect(await withClaims({ iss })).toBe('ISSUER_UNKNOWN');
    }
    for (const iss of [[url], { url }]) expect(await withClaims({ iss })).toBe('CLAIM_INVALID');
  });

  it('is refused with a changed bit anywhere', async () => {
    const token = issuer.token(now);
    const [header = '', payload = ''] = token.split('.');
    const changed = part({ ...issuer.claims(now), scopes: ['duo_chat', 'code_suggestions'] });
    expect(await codeFor(token.replace(payload, changed))).toBe('SIGNATURE_INVALID');
    const other = part({ ...issuer.header(), note: '' });
    expect(await codeFor(token.replace(header, other))).toBe('SIGNATURE_INVALID');
    for (let at = 0; at < token.length; at += 7) {
      const flipped = token[at] === 'A' ? 'B' : 'A';
      const verdict = await codeFor(token.slice(0, at) + flipped + token.slice(at + 1));
      expect([at, verdict]).not.toEqual([at, 'accepted']);
    }
  });
});

describe('an error outside of a request', () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown) => rejections.push(reason);
  let issuer: ForeignIssuer;
  beforeAll(async () => {
    process.on('unhandledRejection', note);
    issuer = await new ForeignIssuer().start();
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await issuer.stop();
  });

  it('is not an unhandled rejection when Express has answered before the guard', async () => {
    const verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE });
    const errors: unknown[] = [];
    const app = express();
    app.use((_request, response, next) => {
      next();
      response.status(503).json({});
    });
    app.get('/', expressGuard(verifier, 'duo_chat'));
    app.use(((error, _request, _response, next) => {
      errors.push(error);
      next();
    }) satisfies express.ErrorRequestHandler);
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await fetch(url)).status).toBe(503);
    await sleep(20);
    server.close();
    expect([...rejections, ...errors]).toEqual([]);
  });

  it('is not an unhandled rejection when a listener to events fails later', async () => {
    const verifier = createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      onEvent: () => Promise.reject(new Error('no disk')) as unknown as undefined,
    });
    await verifier.warmUp();
    await sleep(20);
    expect(rejections).toEqual([]);
  });
});

describe('a backend that starts before its issuer', () => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  beforeAll(async () => {
    issuer = await new ForeignIssuer().start();
  });
  afterAll(() => issuer.stop());

  it('asks for the keys until there are some, with pauses that grow', async () => {
    const keys = issuer.answers.get('/jwks') ?? {};
    issuer.answers.delete('/jwks');
    const events: VerifierEvent[] = [];
    const verifier = createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      clock: () => clock.now(),
      onEvent: (event) => events.push(event),
    });
    const code = async () => {
      const verdict = await verifier.verify(requestHeaders(issuer.token(clock.now())));
      return verdict.accepted ? 'accepted' : verdict.code;
    };
    expect(await code()).toBe('KEYS_UNAVAILABLE');
    for (const [failures, waitMs] of [250, 500, 1000, 2000, 4000, 5000, 5000].entries()) {
      clock.advance(waitMs - 1);
      expect([await code(), events.length]).toEqual(['KEYS_UNAVAILABLE', failures + 1]);
      clock.advance(1);
      expect([await code(), events.length]).toEqual(['KEYS_UNAVAILABLE', failures + 2]);
    }
    issuer.answers.set('/jwks', keys);
    clock.advance(5000);
    expect(await code()).toBe('accepted');
  });
});

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
    // No part of a token is repeated, not even in the reason for the log.
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

  it('is refused with another algorithm of the same key', async () => {
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
  /** Work in the background ends with an event. */
  async function heard(count: number) {
    while (events.length < count) await new Promise((resolve) => setImmediate(resolve));
  }

  it('are fetched once for all requests at the same time', async () => {
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

  it('are fetched first after a quiet hour, because one of them may have been withdrawn', async () => {
    const verifier = created();
    await codeFor(verifier);
    issuer.publish(keyNumber(1).jwk);
    clock.advance(61 * MINUTE_MS);
    expect(await codeFor(verifier)).toBe('KEY_UNKNOWN');
  });

  it.each<[string, number, string | null]>([
    ['max-age=0', 60, null],
    ['no-store', 60, null],
    ['max-age=31536000', 86_400, null],
    ['public', 3600, null],
    ['max-age=99999999999999999999', 86_400, null],
    ['max-age="600"', 600, null],
    ['s-maxage=7200, max-age=600', 600, null],
    ['s-maxage=7200', 3600, null],
    ['max-age=600, max-age=7200', 600, null],
    ['max-age=-1', 60, null],
    ['max-age=1.5, max-age=600', 60, null],
    ['max-age=600, no-cache', 60, null],
    ['max-age=600', 500, '100'],
    ['max-age=600', 60, '599'],
    ['max-age=600', 60, '600'],
    ['max-age=600', 60, '86400'],
    ['max-age=600', 60, '99999999999999999999999'],
    ['max-age=600', 500, '100, 3'],
    ['max-age=600', 600, '0'],
    ['max-age=600', 600, ''],
    ['max-age=600', 600, '-100'],
    ['max-age=600', 600, '1e2'],
    ['max-age=600', 600, 'soon, 100'],
    ['max-age=31536000', 86_400, '3600'],
    ['max-age=86400', 82_800, '3600'],
    ['public', 3000, '600'],
  ])('with Cache-Control %s stay fresh for %i s (Age: %s)', async (cacheControl, seconds, age) => {
    issuer.cacheControl = cacheControl;
    issuer.age = age ?? undefined;
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

  it('are taken from a document with unusable entries beside them', async () => {
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

  it('may be on another origin that is configured for the issuer', async () => {
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

  it('of one issuer do not verify tokens of another, and its faults do not affect the other', async () => {
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

type Json = Record<string, unknown>;
