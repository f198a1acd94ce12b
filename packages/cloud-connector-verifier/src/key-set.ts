import { importJWK, type JWK } from 'jose';
// Without it, CommonJS with `moduleResolution: node16` cannot read the declarations: jose is ESM only.
import type { CryptoKey } from 'jose' with { 'resolution-mode': 'import' };
import { isObject, type JsonObject } from './strict-json.js';

/** The keys of one issuer for one purpose, by their `kid`. */
export type PublicKey = CryptoKey;
export type KeysByKid = ReadonlyMap<string, PublicKey>;

/** The purpose of a key set. Keys for other purposes are skipped. */
export type KeyAlgorithm = 'RS256' | 'ES256';

export interface KeySetReading {
  readonly keys: KeysByKid;
  /** The skipped entries with their reasons. */
  readonly skipped: readonly string[];
}

const MIN_MODULUS_BITS = 2048;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/**
 * The usable keys of a JWK Set (RFC 7517 section 5). An unusable entry is skipped alone. If it has the `kid`
 * of a key of `former`, that key stays.
 * @returns null when there is no usable key
 */
export async function readKeySet(
  document: unknown,
  alg: KeyAlgorithm,
  former: KeysByKid,
): Promise<KeySetReading | null> {
  const entries = isObject(document) ? document['keys'] : undefined;
  if (!Array.isArray(entries)) return null;
  const keys = new Map<string, CryptoKey>();
  const skipped: string[] = [];
  const judged = (entries as unknown[]).map((entry) => judge(entry, alg));
  const ambiguous = ambiguousKids(judged);
  for (const [index, { jwk, kid, fault }] of judged.entries()) {
    const key = fault || ambiguous.has(kid) ? null : await imported(jwk, alg);
    if (key) {
      keys.set(kid, key);
      continue;
    }
    skipped.push(`key ${index} ${fault ?? 'is ambiguous or unreadable'}`);
    const kept = former.get(kid);
    if (kept && !keys.has(kid)) keys.set(kid, kept);
  }
  return skipped.length < entries.length ? { keys, skipped } : null;
}

interface JudgedEntry {
  readonly jwk: JsonObject;
  readonly kid: string;
  /** Why it is not usable; null when it is. */
  readonly fault: string | null;
}

function judge(entry: unknown, alg: KeyAlgorithm): JudgedEntry {
  if (!isObject(entry)) return { jwk: {}, kid: '', fault: 'is not an object' };
  const kid = typeof entry['kid'] === 'string' ? entry['kid'] : '';
  return { jwk: entry, kid, fault: keyFault(entry, alg) };
}

function keyFault(jwk: JsonObject, alg: KeyAlgorithm): string | null {
  const kty = alg === 'RS256' ? 'RSA' : 'EC';
  const { kid } = jwk;
  if (typeof kid !== 'string' || kid === '') return 'has no kid';
  if (jwk['kty'] !== kty) return `is not an ${kty} key`;
  if (jwk['use'] !== 'sig') return 'is not for signatures (use)';
  if (jwk['alg'] !== alg) return `is not for ${alg}`;
  if ('d' in jwk) return 'is a private key';
  const members = alg === 'RS256' ? (['n', 'e'] as const) : (['x', 'y'] as const);
  const bad = members.find((name) => !isBase64Url(jwk[name]));
  if (bad) return `has no usable ${bad}`;
  if (alg === 'ES256') return jwk['crv'] === 'P-256' ? null : 'is not on the curve P-256';
  if (modulusBits(String(jwk['n'])) < MIN_MODULUS_BITS) return 'has under 2048 bits';
  return null;
}

/** Kids that two different usable keys share. */
function ambiguousKids(judged: readonly JudgedEntry[]): ReadonlySet<string> {
  const seen = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const { jwk, kid } of judged.filter(({ fault }) => fault === null)) {
    const material = JSON.stringify([jwk['n'], jwk['e'], jwk['x'], jwk['y']]);
    if ((seen.get(kid) ?? material) !== material) ambiguous.add(kid);
    seen.set(kid, material);
  }
  return ambiguous;
}

async function imported(jwk: JsonObject, alg: KeyAlgorithm): Promise<CryptoKey | null> {
  // Only the members of the public key are used.
  const { n, e, x, y } = jwk as Record<'n' | 'e' | 'x' | 'y', string>;
  try {
    const material: JWK =
      alg === 'RS256' ? { kty: 'RSA', n, e } : { kty: 'EC', crv: 'P-256', x, y };
    const key = await importJWK(material, alg);
    return key instanceof Uint8Array ? null : key;
  } catch {
    return null;
  }
}

function isBase64Url(value: unknown): boolean {
  return typeof value === 'string' && BASE64URL.test(value);
}

/** Without leading zeros (RFC 7518 section 6.3.1.1). */
function modulusBits(n: string): number {
  return BigInt(`0x0${Buffer.from(n, 'base64url').toString('hex')}`).toString(2).length;
}
