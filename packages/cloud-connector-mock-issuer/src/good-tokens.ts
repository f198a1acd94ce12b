import { type CorpusEntry, goodHeader, signedBy, without } from './corpus-entry.js';
import { statusClaim, VALID_INDEX } from './status-list.js';

/** Tokens that a backend should let in, and a few that it may refuse. */
export const GOOD_TOKENS: readonly CorpusEntry[] = [
  {
    name: 'good',
    what: 'a token as the issuer makes them',
    expected: 'accept',
    mint: ({ keys, claims }) => signedBy(keys.signing, claims),
  },
  {
    name: 'good-several-audiences',
    what: 'your audience among others, in the last place',
    expected: 'accept',
    mint: ({ keys, claims }) =>
      signedBy(keys.signing, { ...claims, aud: ['another-backend', ...asList(claims['aud'])] }),
  },
  {
    name: 'good-previous-key',
    what: 'signed with the key before this one, which is still published',
    expected: 'accept',
    mint: ({ keys, claims }) => signedBy(keys.previous, claims),
  },
  {
    name: 'good-unknown-claims',
    what: 'has claims that you do not know (RFC 7519 section 4: ignore them)',
    expected: 'accept',
    mint: ({ keys, claims }) =>
      signedBy(keys.signing, { ...claims, some_day: { there: ['may be', 'more'] }, x: null }),
  },
  {
    name: 'good-many-scopes',
    what: 'has 200 scopes beside yours: a header of some 5 KB',
    expected: 'accept',
    mint: ({ keys, claims }) => {
      const others = Array.from({ length: 200 }, (_, at) => `unit_primitive_${at}`);
      return signedBy(keys.signing, {
        ...claims,
        scopes: [...others, ...asList(claims['scopes'])],
      });
    },
  },
  {
    name: 'good-almost-expired',
    what: 'expires in half a minute',
    expected: 'accept',
    needsClock: true,
    mint: ({ keys, claims, now }) =>
      signedBy(keys.signing, { ...claims, exp: Math.floor(now.getTime() / 1000) + 30 }),
  },
  {
    name: 'good-status-valid',
    what: 'names a status list, in which it is valid',
    expected: 'accept',
    mint: ({ keys, claims, issuer }) =>
      signedBy(keys.signing, { ...claims, status: statusClaim(issuer, VALID_INDEX) }),
  },
  {
    name: 'either-no-nbf',
    what: 'has no `nbf`: this issuer always sets it, RFC 7519 does not ask for it',
    expected: 'either',
    mint: ({ keys, claims }) => signedBy(keys.signing, without(claims, 'nbf')),
  },
  {
    name: 'either-no-typ',
    what: 'has no `typ` in its header (RFC 7519 section 5.1: optional)',
    expected: 'either',
    mint: ({ keys, claims }) =>
      signedBy(keys.signing, claims, without(goodHeader(keys.signing), 'typ')),
  },
  {
    name: 'either-no-kid',
    what: 'a published key signed it, but its header does not say which',
    expected: 'either',
    mint: ({ keys, claims }) =>
      signedBy(keys.signing, claims, without(goodHeader(keys.signing), 'kid')),
  },
  {
    name: 'either-misleading-kid',
    what: 'a published key signed it, under a `kid` that nobody has: only a hint (RFC 7515 section 4.1.4)',
    expected: 'either',
    mint: ({ keys, claims }) =>
      signedBy(keys.signing, claims, { ...goodHeader(keys.signing), kid: 'nobody-has-this' }),
  },
  {
    name: 'either-aud-string',
    what: 'its `aud` is a string (RFC 7519 section 4.1.3 allows it; this issuer always sends an array)',
    expected: 'either',
    mint: ({ keys, claims }) =>
      signedBy(keys.signing, { ...claims, aud: asList(claims['aud'])[0] ?? '' }),
  },
];

function asList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
