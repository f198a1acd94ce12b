import { createHmac } from 'node:crypto';
import { compactJws } from './compact-jws.js';
import { type CorpusEntry, goodHeader, type Mint } from './corpus-entry.js';
import type { MockKey, RsaAlgorithm } from './mock-key.js';

/** RFC 8725 section 3.1: spellings of `none` that have got past a comparison. */
const NO_ALGORITHM = ['none', 'None', 'NONE', 'nOnE'];

type Hmac = 'HS256' | 'HS384' | 'HS512';

/** What is public of the key, in each form that a verifier might hold it in. */
const SECRETS: readonly (readonly [string, string, Hmac, (key: MockKey) => Buffer | string])[] = [
  ['pem', 'its PEM', 'HS256', (key) => key.publicPem('spki')],
  [
    'pem-trimmed',
    'its PEM without the last line feed',
    'HS256',
    (key) => key.publicPem('spki').trim(),
  ],
  ['pem-pkcs1', 'its PEM in PKCS #1', 'HS256', (key) => key.publicPem('pkcs1')],
  ['jwk-n', 'the `n` of its JWK', 'HS256', (key) => key.publicJwk.n],
  ['modulus', 'its modulus', 'HS256', (key) => Buffer.from(key.publicJwk.n, 'base64url')],
  ['jwk', 'its JWK as JSON', 'HS256', (key) => JSON.stringify(key.publicJwk)],
  ['kid', 'its `kid`', 'HS256', (key) => key.kid],
  ['nothing', 'nothing', 'HS256', () => ''],
  ['pem-hs384', 'its PEM (HS384)', 'HS384', (key) => key.publicPem('spki')],
  ['pem-hs512', 'its PEM (HS512)', 'HS512', (key) => key.publicPem('spki')],
];

const OTHER_RSA: readonly RsaAlgorithm[] = ['RS384', 'RS512', 'PS256'];

/** Tokens whose header would like to choose how they are verified (RFC 8725 section 3.1). */
export const BAD_ALGORITHM_TOKENS: readonly CorpusEntry[] = [
  ...NO_ALGORITHM.map((alg, at) => ({
    name: at === 0 ? 'alg-none' : `alg-none-${at}`,
    what: `\`alg\` is \`${alg}\`, and there is no signature`,
    expected: 'refuse' as const,
    mint: (mint: Mint) => signedAs(alg, mint, () => ''),
  })),
  {
    name: 'alg-none-signed',
    what: '`alg` is `none`, and it is signed all the same',
    expected: 'refuse',
    mint: (mint) => signedAs('none', mint, (input) => mint.keys.stranger.sign(input)),
  },
  {
    name: 'alg-missing',
    what: 'its header has no `alg`, and there is no signature',
    expected: 'refuse',
    mint: (mint) => signedAs(undefined, mint, () => ''),
  },
  {
    name: 'alg-array',
    what: '`alg` is `["RS256"]`',
    expected: 'refuse',
    mint: (mint) => signedAs(['RS256'], mint, (input) => mint.keys.signing.sign(input)),
  },
  ...SECRETS.map(([name, secret, alg, of]) => ({
    name: `hmac-${name}`,
    what: `${alg}, with ${secret === 'nothing' ? secret : `${secret}, which is public,`} as the secret`,
    expected: 'refuse' as const,
    mint: (mint: Mint) => signedAs(alg, mint, hmac(alg, of(mint.keys.signing))),
  })),
  ...OTHER_RSA.map((alg) => ({
    name: `alg-${alg.toLowerCase()}`,
    what: `${alg}, with the issuer's key: its keys are for RS256 only`,
    expected: 'refuse' as const,
    mint: (mint: Mint) => signedAs(alg, mint, (input) => mint.keys.signing.sign(input, alg)),
  })),
];

function signedAs(
  alg: unknown,
  { keys, claims }: Mint,
  sign: (input: string) => Uint8Array | string,
) {
  return compactJws({ ...goodHeader(keys.signing), alg }, claims, sign);
}

export function hmac(alg: Hmac, secret: Buffer | string) {
  return (input: string): Buffer =>
    createHmac(`sha${alg.slice(2)}`, secret)
      .update(input)
      .digest();
}
