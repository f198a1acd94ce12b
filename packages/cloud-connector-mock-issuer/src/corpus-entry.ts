import type { AuxiliaryKey } from './auxiliary-key.js';
import { compactJws } from './compact-jws.js';
import type { MockKey } from './mock-key.js';
import type { Claims } from './token-claims.js';

/**
 * What a backend should do: let it in; answer 401; answer 403, for a token that is good but lacks
 * the scope; or either, where the rules leave it to the backend.
 */
export type Expectation = 'accept' | 'refuse' | 'forbid' | 'either';

export interface CorpusKeys {
  readonly signing: MockKey;
  readonly previous: MockKey;
  /** The issuer's own, but not in its key set. */
  readonly unpublished: MockKey;
  /** An attacker's. */
  readonly stranger: MockKey;
  readonly auxiliary: AuxiliaryKey;
}

/** What a token is made of. */
export interface Mint {
  readonly now: Date;
  /** The claims of a good token. */
  readonly claims: Claims;
  readonly keys: CorpusKeys;
  readonly issuer: string;
  /** Where an attacker's key set can be fetched; nobody should. */
  readonly attackerUrl: string;
  /** The only name in `scopes` that is asked for. */
  readonly unitPrimitive: string;
}

export interface CorpusEntry {
  readonly name: string;
  /** What is in it, or what is wrong with it. */
  readonly what: string;
  readonly expected: Expectation;
  /** Statuses that are as good as the one that `expected` means. */
  readonly alsoRight?: readonly number[];
  /** Something else than the token may be blamed for it: no certain `error` is expected. */
  readonly anyError?: boolean;
  /** Only for a backend that reads status lists. */
  readonly needsStatusList?: boolean;
  /** Right only at the instant at which it was made: a backend has to hold its clock still. */
  readonly needsClock?: boolean;
  /** @returns what stands behind `Bearer ` */
  readonly mint: (mint: Mint) => string;
}

/** The header of a good token (contract: typ, alg and kid, nothing else). */
export function goodHeader(key: MockKey): Readonly<Record<string, unknown>> {
  return { typ: 'JWT', alg: 'RS256', kid: key.kid };
}

/** A token with these claims, signed as a good one is. */
export function signedBy(key: MockKey, claims: Claims, header: object = goodHeader(key)): string {
  return compactJws(header, claims, (input) => key.sign(input));
}

export function without(claims: Claims, name: string): Claims {
  return Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
}
