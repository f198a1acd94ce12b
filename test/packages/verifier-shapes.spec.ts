import { createVerifier } from '../../packages/cloud-connector-verifier/src/index.js';
import { AUDIENCE, ForeignIssuer, keyNumber, part, signed } from './foreign-issuer.js';

type Json = Record<string, unknown>;

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

  it('is refused in any form but the compact one', async () => {
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

  it('is refused when a member stands twice, in the header or in the claims', async () => {
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

  it.each(['iat', 'nbf', 'exp'])('is refused with an %s that is no second', async (claim) => {
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
  });

  it('needs no nbf, and may have no scopes at all', async () => {
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
    const lookalikes = [`${url}/`, `${url}/x`, url.toUpperCase(), `${url}@evil.example`, ` ${url}`];
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
