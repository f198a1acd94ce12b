import { compactJws, encodedPart } from './compact-jws.js';
import { type CorpusEntry, goodHeader, type Mint, signedBy } from './corpus-entry.js';

/** More than any HTTP server reads of a header. */
const OVERSIZE_BYTES = 96 * 1024;
/** What servers say to a header that they do not read. */
const TOO_LARGE = [400, 413, 431];

/** Tokens that are no compact JWS, or whose signature is not over what they say. */
export const BAD_FORM_TOKENS: readonly CorpusEntry[] = [
  refused('tampered-payload', 'a scope was added after it was signed', (mint) => {
    const [header = '', , signature = ''] = good(mint).split('.');
    return `${header}.${encodedPart({ ...mint.claims, scopes: [mint.unitPrimitive, 'more'] })}.${signature}`;
  }),
  refused('tampered-header', 'its `kid` was changed after it was signed', (mint) => {
    const [, payload = '', signature = ''] = good(mint).split('.');
    return `${encodedPart(goodHeader(mint.keys.previous))}.${payload}.${signature}`;
  }),
  refused('signature-truncated', 'the last 40 characters of its signature are gone', (mint) =>
    good(mint).slice(0, -40),
  ),
  refused('signature-empty', 'RS256, with an empty signature', (mint) =>
    compactJws(goodHeader(mint.keys.signing), mint.claims, () => ''),
  ),
  refused('signature-of-another', 'bears the signature of another good token', (mint) => {
    const another = signedBy(mint.keys.signing, { ...mint.claims, jti: 'another' });
    return `${good(mint).split('.').slice(0, 2).join('.')}.${another.split('.')[2] ?? ''}`;
  }),
  refused('signature-zeros', 'its signature is 256 zeros', (mint) =>
    compactJws(goodHeader(mint.keys.signing), mint.claims, () => Buffer.alloc(256)),
  ),
  refused('two-parts', 'its signature is missing, with the dot before it', (mint) =>
    good(mint).split('.').slice(0, 2).join('.'),
  ),
  refused('four-parts', 'has a fourth part', (mint) => `${good(mint)}.e30`),
  refused(
    'crit-unknown',
    'says that you must understand `policy` (RFC 7515 section 4.1.11)',
    (mint) => withHeader(mint, { crit: ['policy'], policy: 'deny' }),
  ),
  refused('crit-empty', '`crit` is empty, which RFC 7515 section 4.1.11 forbids', (mint) =>
    withHeader(mint, { crit: [] }),
  ),
  refused('payload-array', 'its payload is a JSON array', ({ keys, claims }) =>
    compactJws(goodHeader(keys.signing), [claims], (input) => keys.signing.sign(input)),
  ),
  refused('payload-no-json', 'its payload is no JSON', ({ keys }) =>
    compactJws(goodHeader(keys.signing), 'let me in', (input) => keys.signing.sign(input)),
  ),
  refused('header-no-json', 'its header is no JSON', ({ keys, claims }) =>
    compactJws('{"alg":"RS256"', claims, (input) => keys.signing.sign(input)),
  ),
  unreadable(
    'base64-padded',
    'its signature is padded with `=` (RFC 7515 section 2 forbids it)',
    (mint) => `${good(mint)}==`,
  ),
  unreadable('whitespace-inside', 'has a space in its signature (RFC 7515 section 2)', (mint) =>
    good(mint).replace(/.{20}$/, (end) => ` ${end}`),
  ),
  {
    ...refused('leading-whitespace', 'a second space stands before it', (mint) => ` ${good(mint)}`),
    // RFC 9110 section 11.4 allows several spaces behind the scheme.
    expected: 'either',
  },
  unreadable(
    'json-serialization',
    'is a JWS in JSON serialization (RFC 7515 section 7.2.2)',
    (mint) => {
      const [header, payload, signature] = good(mint).split('.');
      return JSON.stringify({ protected: header, payload, signature });
    },
  ),
  {
    ...refused('oversize', 'has 96 KB: signed, but no issuer sends that', ({ keys, claims }) =>
      signedBy(keys.signing, { ...claims, filling: 'x'.repeat(OVERSIZE_BYTES) }),
    ),
    alsoRight: TOO_LARGE,
  },
  unreadable('not-a-token', 'is the word `null`', () => 'null'),
];

/** A token that a backend may not even take for one. */
function unreadable(name: string, what: string, mint: CorpusEntry['mint']): CorpusEntry {
  return { ...refused(name, what, mint), anyError: true };
}

function refused(name: string, what: string, mint: CorpusEntry['mint']): CorpusEntry {
  return { name, what, expected: 'refuse', mint };
}

function good({ keys, claims }: Mint): string {
  return signedBy(keys.signing, claims);
}

function withHeader({ keys, claims }: Mint, members: object): string {
  return signedBy(keys.signing, claims, { ...goodHeader(keys.signing), ...members });
}
