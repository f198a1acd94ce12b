import { hmac } from './bad-algorithms.js';
import { compactJws } from './compact-jws.js';
import { type CorpusEntry, goodHeader, type Mint, signedBy } from './corpus-entry.js';
import { signedStatusList, STATUS_LIST_TYP } from './status-list.js';

/** A `kid` is looked up by the verifier: it must neither be a path, nor SQL, nor a property's name. */
const KIDS: readonly (readonly [string, string, string | Buffer])[] = [
  ['path', '../../../../../../dev/null', ''],
  ['sql', "x' UNION SELECT 'secret' -- ", 'secret'],
  ['command', '$(echo secret)', 'secret'],
  ['prototype', '__proto__', ''],
];

/** Names that every object has. */
const ODD_KIDS: readonly (readonly [string, unknown])[] = [
  ['constructor', 'constructor'],
  ['a-number', 0],
  ['an-object', {}],
];

/** Tokens that a key signed which must not count. */
export const BAD_KEY_TOKENS: readonly CorpusEntry[] = [
  refused('wrong-key', "signed with a stranger's key, under the `kid` of a published one", (mint) =>
    byStranger(mint, {}),
  ),
  refused('unknown-kid', "signed with a stranger's key, under its own `kid`", ({ keys, claims }) =>
    signedBy(keys.stranger, claims),
  ),
  refused('unpublished-key', 'signed with a key that the issuer does not publish', (mint) =>
    signedBy(mint.keys.unpublished, mint.claims),
  ),
  refused('embedded-jwk', 'brings the key that signed it along (`jwk`)', (mint) =>
    byStranger(mint, { jwk: mint.keys.stranger.publicJwk, kid: mint.keys.stranger.kid }),
  ),
  refused('jku', "says where to fetch the stranger's key that signed it (`jku`)", (mint) =>
    byStranger(mint, { jku: mint.attackerUrl, kid: mint.keys.stranger.kid }),
  ),
  refused('x5u', "says where to fetch the stranger's certificate (`x5u`)", (mint) =>
    byStranger(mint, { x5u: mint.attackerUrl, kid: mint.keys.stranger.kid }),
  ),
  refused('kid-url', "its `kid` is the address of the stranger's key", (mint) =>
    byStranger(mint, { kid: mint.attackerUrl }),
  ),
  ...KIDS.map(([name, kid, secret]) =>
    refused(
      `kid-${name}`,
      `HS256, with what its \`kid\` might lead to as the secret (${kid})`,
      (mint) => compactJws({ typ: 'JWT', alg: 'HS256', kid }, mint.claims, hmac('HS256', secret)),
    ),
  ),
  ...ODD_KIDS.map(([name, kid]) =>
    refused(
      `kid-${name}`,
      `signed with a stranger's key; its \`kid\` is ${JSON.stringify(kid)}`,
      (mint) => byStranger(mint, { kid }),
    ),
  ),
  refused('status-list', "the issuer's status list: it is signed, but no token", (mint) =>
    signedStatusList(mint.issuer, mint.keys.auxiliary, mint.now),
  ),
  refused('status-list-key', 'a token that the key of status lists signed (ES256)', (mint) =>
    mint.keys.auxiliary.sign('JWT', mint.claims),
  ),
  refused('typ-status-list', `good, but its \`typ\` is ${STATUS_LIST_TYP}`, (mint) =>
    withTyp(mint, STATUS_LIST_TYP),
  ),
  refused('typ-checkpoint', 'good, but its `typ` is ledger-checkpoint+jwt', (mint) =>
    withTyp(mint, 'ledger-checkpoint+jwt'),
  ),
];

function refused(name: string, what: string, mint: CorpusEntry['mint']): CorpusEntry {
  return { name, what, expected: 'refuse', mint };
}

function byStranger({ keys, claims }: Mint, header: object): string {
  return signedBy(keys.stranger, claims, { ...goodHeader(keys.signing), ...header });
}

function withTyp({ keys, claims }: Mint, typ: string): string {
  return signedBy(keys.signing, claims, { ...goodHeader(keys.signing), typ });
}
