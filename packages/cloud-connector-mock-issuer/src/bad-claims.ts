import { type CorpusEntry, type Mint, signedBy, without } from './corpus-entry.js';
import { REVOKED_INDEX, statusClaim, VALID_INDEX } from './status-list.js';
import type { Claims } from './token-claims.js';

const HOUR = 3600;
/** Longer than anybody's leeway. */
const PAST_LEEWAY_SECONDS = 90;
const ISSUER_OF_ANOTHER = 'https://issuer-of-another.example.com';

interface BadClaims {
  readonly name: string;
  readonly what: string;
  readonly expected?: CorpusEntry['expected'];
  readonly alsoRight?: readonly number[];
  readonly needsStatusList?: boolean;
  readonly claims: (mint: Mint) => Claims;
}

/** The issuer's own key signed each of these: only what they say is wrong. */
const BAD_CLAIMS: readonly BadClaims[] = [
  {
    name: 'expired',
    what: 'expired an hour ago',
    claims: (mint) => ({ ...mint.claims, ...timed(mint, -2 * HOUR, -HOUR) }),
  },
  {
    name: 'expired-just-now',
    what: `expired ${PAST_LEEWAY_SECONDS} seconds ago: no leeway is that long`,
    claims: (mint) => ({ ...mint.claims, ...timed(mint, -HOUR, -PAST_LEEWAY_SECONDS) }),
  },
  {
    name: 'not-yet-valid',
    what: 'is not valid yet (`nbf`)',
    claims: (mint) => {
      // In a corpus that is kept in files, good tokens live for decades.
      const from = Math.max(HOUR, Number(mint.claims['exp']) - secondsOf(mint));
      return { ...mint.claims, ...timed(mint, from, from + HOUR) };
    },
  },
  {
    name: 'wrong-audience',
    what: 'is meant for another backend',
    claims: ({ claims }) => ({ ...claims, aud: ['another-backend'] }),
  },
  {
    name: 'audience-prefix',
    what: 'is meant for a backend whose audience only begins like yours',
    claims: ({ claims }) => ({ ...claims, aud: [`${String(claims['aud'])}-staging`] }),
  },
  {
    name: 'audience-empty',
    what: 'its `aud` is an empty array',
    claims: ({ claims }) => ({ ...claims, aud: [] }),
  },
  {
    name: 'wrong-issuer',
    what: 'this issuer signed it, but `iss` names another one',
    claims: ({ claims }) => ({ ...claims, iss: ISSUER_OF_ANOTHER }),
  },
  {
    name: 'issuer-suffix',
    what: 'its `iss` only begins like this issuer',
    claims: ({ claims, issuer }) => ({ ...claims, iss: `${issuer}.evil.example.com` }),
  },
  {
    name: 'sub-empty',
    what: 'its `sub` is empty: the header comparison must not be skipped for it',
    claims: ({ claims }) => ({ ...claims, sub: '' }),
  },
  {
    name: 'realm-empty',
    what: 'its `gitlab_realm` is empty: the header comparison must not be skipped for it',
    claims: ({ claims }) => ({ ...claims, gitlab_realm: '' }),
  },
  {
    name: 'revoked',
    what: 'is revoked in the status list that it names',
    needsStatusList: true,
    claims: ({ claims, issuer }) => ({ ...claims, status: statusClaim(issuer, REVOKED_INDEX) }),
  },
  {
    name: 'status-elsewhere',
    what: "names a status list that is not the issuer's: anybody could vouch for it there",
    needsStatusList: true,
    claims: ({ claims }) => ({ ...claims, status: statusClaim(ISSUER_OF_ANOTHER, VALID_INDEX) }),
  },
  {
    name: 'status-no-place',
    what: 'names a place that its status list does not have',
    needsStatusList: true,
    claims: ({ claims, issuer }) => ({ ...claims, status: statusClaim(issuer, 99_999_999) }),
  },
  {
    name: 'scope-missing',
    what: 'is good, but the unit primitive is not among its scopes',
    expected: 'forbid',
    claims: ({ claims, unitPrimitive }) => ({
      ...claims,
      scopes: [`${unitPrimitive}_more`, `not_${unitPrimitive}`],
    }),
  },
  {
    name: 'scopes-empty',
    what: 'is good, but has no scopes',
    expected: 'forbid',
    alsoRight: [401],
    claims: ({ claims }) => ({ ...claims, scopes: [] }),
  },
];

const REQUIRED = ['iss', 'aud', 'sub', 'exp', 'iat', 'jti', 'gitlab_realm', 'scopes'];

/** Values of a wrong type; each would let something in when it is taken as it comes. */
const WRONG_TYPES: readonly (readonly [string, string, (mint: Mint) => unknown])[] = [
  ['exp', 'a string', () => '9999999999'],
  ['exp', 'null', () => null],
  ['nbf', 'a string', () => '0'],
  ['iat', 'a string', () => 'yesterday'],
  ['sub', 'a number', () => 42],
  ['jti', 'a number', () => 42],
  ['iss', 'an array', ({ issuer }) => [issuer]],
  ['aud', 'an object', ({ claims }) => ({ [String(claims['aud'])]: true })],
  ['gitlab_realm', 'an array', ({ claims }) => [claims['gitlab_realm']]],
  ['scopes', 'an object', ({ unitPrimitive }) => ({ [unitPrimitive]: true })],
];

/** A missing or odd `scopes` grants nothing: 403 is as right as 401. */
const ALSO_FOR_SCOPES = [403];

export const BAD_CLAIM_TOKENS: readonly CorpusEntry[] = [
  ...BAD_CLAIMS.map(({ claims, expected = 'refuse', ...entry }) => ({
    ...entry,
    expected,
    mint: (mint: Mint) => signedBy(mint.keys.signing, claims(mint)),
  })),
  ...REQUIRED.map((name) =>
    refused(name, {
      name: `missing-${slug(name)}`,
      what: `has no \`${name}\``,
      mint: ({ keys, claims }) => signedBy(keys.signing, without(claims, name)),
    }),
  ),
  ...WRONG_TYPES.map(([name, kind, value]) =>
    refused(name, {
      name: `${slug(name)}-${slug(kind)}`,
      what: `its \`${name}\` is ${kind}`,
      mint: (mint) => signedBy(mint.keys.signing, { ...mint.claims, [name]: value(mint) }),
    }),
  ),
  refused('scopes', {
    name: 'scopes-a-string',
    what: 'its `scopes` is a string that contains the unit primitive',
    mint: ({ keys, claims, unitPrimitive }) =>
      signedBy(keys.signing, { ...claims, scopes: `not_${unitPrimitive}` }),
  }),
];

function refused(claim: string, entry: Omit<CorpusEntry, 'expected' | 'alsoRight'>): CorpusEntry {
  const alsoRight = claim === 'scopes' ? ALSO_FOR_SCOPES : [];
  return { ...entry, expected: 'refuse', alsoRight };
}

/** From and until: seconds from now. */
function timed(mint: Mint, from: number, until: number): Claims {
  const seconds = secondsOf(mint);
  return { iat: seconds + from, nbf: seconds + from, exp: seconds + until };
}

function secondsOf({ now }: Mint): number {
  return Math.floor(now.getTime() / 1000);
}

function slug(text: string): string {
  return text.replaceAll(/[_ ]/g, '-');
}
