/** The public half of an RS256 key, with exactly the members that are published. */
export interface PublicJwk {
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'RS256';
}

/** RFC 7517 section 5, with `keys` as the only member. */
export interface KeySetDocument {
  readonly keys: readonly PublicJwk[];
}

/** Keys are published in the order of their publication. */
export function newestKidOf({ keys }: KeySetDocument): string | undefined {
  return keys.at(-1)?.kid;
}

const MEMBERS = ['alg', 'e', 'kid', 'kty', 'n', 'use'];
const MIN_MODULUS_BITS = 2048;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/**
 * The faults of `document` that would break a known validator; when the list is empty, the document may
 * be published. One validator merges the keys of all its issuers. There, a key without `kid`, or with a
 * null or numeric member, breaks all keys; a key of another type breaks every key after it; and an empty
 * set is cached for a day.
 */
export function keySetFaults(document: unknown): string[] {
  if (!isRecord(document)) return ['the key set is not an object'];
  const faults = Object.keys(document)
    .filter((member) => member !== 'keys')
    .map((member) => `the key set has the member ${member} beside keys`);
  const { keys } = document;
  if (!Array.isArray(keys) || keys.length === 0) return [...faults, 'the key set has no keys'];
  const kids = new Set<unknown>();
  for (const [index, key] of keys.entries()) {
    if (!isRecord(key)) {
      faults.push(`key ${index} is not an object`);
      continue;
    }
    faults.push(...keyFaults(key).map((fault) => `key ${index} ${fault}`));
    if (kids.has(key['kid'])) faults.push(`key ${index} repeats the kid of another key`);
    kids.add(key['kid']);
  }
  return faults;
}

function keyFaults(key: Readonly<Record<string, unknown>>): string[] {
  const faults: string[] = [];
  for (const member of Object.keys(key)) {
    if (!MEMBERS.includes(member)) faults.push(`has the member ${member}`);
  }
  for (const [member, value] of [
    ['kty', 'RSA'],
    ['use', 'sig'],
    ['alg', 'RS256'],
  ] as const) {
    if (key[member] !== value) faults.push(`has a ${member} that is not ${value}`);
  }
  for (const member of ['kid', 'n', 'e'] as const) {
    const value = key[member];
    if (typeof value !== 'string' || !BASE64URL.test(value)) faults.push(`has no usable ${member}`);
  }
  if (modulusBits(key['n']) < MIN_MODULUS_BITS) {
    faults.push(`has a modulus of under ${MIN_MODULUS_BITS} bits`);
  }
  return faults;
}

function modulusBits(n: unknown): number {
  if (typeof n !== 'string') return 0;
  // Not by length: leading zeros count for nothing (RFC 7518 section 6.3.1.1).
  return BigInt(`0x0${Buffer.from(n, 'base64url').toString('hex')}`).toString(2).length;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
