import { decodeJwt } from 'jose';
import { isHeaderValue } from './header-value.js';
import { asTexts } from './json.js';

/** A service token as the store keeps it. Instants are whole seconds since 1970 (RFC 7519). */
export interface HeldToken {
  /** The compact JWS. Its holder can act as this instance. */
  readonly token: string;
  /** `sub`: the instance that it was issued to. */
  readonly instanceId: string;
  /** `gitlab_realm` */
  readonly realm: string;
  readonly scopes: readonly string[];
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expiresAt: number;
  /** When it was received, by the clock of this machine, which may be wrong. */
  readonly receivedAt: number;
}

const MAX_HELD = 8;
const REFRESH_SECONDS = 2 * 24 * 3600;
/** Synchronized clocks differ by less. */
const FUTURE_SECONDS = 300;

/** The compact form (RFC 7515 section 3.1): it goes into a header, and into a file of headers. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]*$/;
const UUID_V7 = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/i;
/** The last second of the year 9999. The store has no form for later dates. */
const LAST_SECOND = 253_402_300_799;

/**
 * Reads the claims of a token. Backends verify its signature; here it came over TLS from the configured
 * issuer. Null when it is not a service token.
 */
export function readToken(token: string, now: Date): HeldToken | null {
  try {
    const claims = decodeJwt(token);
    const { sub, iat, exp } = claims;
    const realm = claims['gitlab_realm'];
    if (!COMPACT.test(token) || !isHeaderValue(sub) || !isInstant(iat) || !isInstant(exp))
      return null;
    if (realm !== undefined && !isHeaderValue(realm)) return null;
    return {
      token,
      instanceId: sub,
      realm: realm ?? 'self-managed',
      scopes: asTexts(claims['scopes']),
      issuedAt: issuedAt(claims.jti, iat, exp),
      notBefore: isInstant(claims.nbf) ? claims.nbf : iat,
      expiresAt: exp,
      receivedAt: secondsOf(now),
    };
  } catch {
    return null;
  }
}

/** The issuer dates `iat` back. The `jti` has the very instant (a UUID of version 7, RFC 9562 section 5.7). */
function issuedAt(jti: string | undefined, iat: number, exp: number): number {
  const [, high = '', low = ''] = UUID_V7.exec(jti ?? '') ?? [];
  const second = Math.floor(Number.parseInt(high + low, 16) / 1000);
  return second > iat && second < exp ? second : iat;
}

function isInstant(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LAST_SECOND;
}

/**
 * Whether the token may still be valid. The clock of this machine may be wrong, so there are two measures:
 * `exp`, and how long the token has been here. One of them is enough: an expired token costs a 401, but
 * withholding a valid one costs the feature.
 */
export function isUsable(token: HeldToken, now: Date): boolean {
  return leftByExpiry(token, now) > 0 || (leftByAge(token, now) ?? 0) > 0;
}

/**
 * Whether it is time for a new token: one of the measures leaves less than two days, or a clock is wrong
 * (ours is behind, or the issuer's is ahead and its token is not valid yet).
 */
export function needsRefresh(token: HeldToken, now: Date): boolean {
  const fromTheFuture = token.issuedAt - secondsOf(now) > FUTURE_SECONDS;
  const left = Math.min(leftByExpiry(token, now), leftByAge(token, now) ?? Infinity);
  return fromTheFuture || left < REFRESH_SECONDS;
}

/** The token to present: the last one received for this instance. Its dates do not matter. */
export function newestUsable(
  tokens: readonly HeldToken[],
  instanceId: string,
  now: Date,
): HeldToken | null {
  return tokens.find((one) => one.instanceId === instanceId && isUsable(one, now)) ?? null;
}

/**
 * Puts a new token before the others. An old token is removed only when both the issuer's clock (`iat` of
 * the new token) and ours say that it has expired, or when there are eight newer ones.
 */
export function withToken(
  tokens: readonly HeldToken[],
  added: HeldToken,
  now: Date,
): readonly HeldToken[] {
  const others = tokens.filter(
    (one) => one.token !== added.token && (one.expiresAt > added.issuedAt || isUsable(one, now)),
  );
  return [added, ...others].slice(0, MAX_HELD);
}

export function secondsOf(instant: Date): number {
  return Math.floor(instant.getTime() / 1000);
}

function leftByExpiry({ expiresAt }: HeldToken, now: Date): number {
  return expiresAt - secondsOf(now);
}

/** Null when the clock was set back since then: the age is unknown. */
function leftByAge({ issuedAt, expiresAt, receivedAt }: HeldToken, now: Date): number | null {
  const age = secondsOf(now) - receivedAt;
  return age < 0 ? null : expiresAt - issuedAt - age;
}
