import { type RefusalCode, TokenRefused } from './refusal.js';
import type { JsonObject } from './strict-json.js';

/** The claims of a service token (RFC 7519 section 4.1, and those of Cloud Connector). */
export interface ServiceTokenClaims {
  readonly iss: string;
  readonly aud: readonly string[];
  /** The UUID of the instance. */
  readonly sub: string;
  readonly jti: string;
  /** Seconds since 1970, as are `nbf` and `exp`. */
  readonly iat: number;
  readonly nbf?: number;
  readonly exp: number;
  readonly scopes: readonly string[];
  /** `self-managed` or `saas`. */
  readonly gitlab_realm: string;
  readonly gitlab_instance_id?: string;
  readonly gitlab_instance_uid?: string;
  /** Other claims; not checked. */
  readonly [claim: string]: unknown;
}

/** The last second of the year 9999. A larger value is probably in milliseconds. */
const LAST_SECOND = 253_402_300_799;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isSeconds = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LAST_SECOND;
const isTextList = (value: unknown) => Array.isArray(value) && value.every(isText);

const isAnyText = (value: unknown) => typeof value === 'string';
const isAudience = (value: unknown) =>
  isText(value) || (isTextList(value) && (value as unknown[]).length > 0);

const REQUIRED = [
  ['iss', isText],
  ['aud', isAudience],
  ['sub', isText],
  ['jti', isText],
  ['iat', isSeconds],
  ['exp', isSeconds],
  ['scopes', isTextList],
  ['gitlab_realm', isText],
] as const;
const OPTIONAL = [
  ['nbf', isSeconds],
  ['gitlab_instance_id', isAnyText],
  ['gitlab_instance_uid', isAnyText],
] as const;

/** @throws TokenRefused CLAIM_INVALID, when one is missing or of the wrong type */
export function readClaims(payload: JsonObject): ServiceTokenClaims {
  for (const [claim, isFine] of REQUIRED) {
    if (!isFine(payload[claim])) throw claimInvalid(claim);
  }
  for (const [claim, isFine] of OPTIONAL) {
    if (claim in payload && !isFine(payload[claim])) throw claimInvalid(claim);
  }
  const { aud } = payload;
  return { ...payload, aud: typeof aud === 'string' ? [aud] : aud } as ServiceTokenClaims;
}

export interface Expectations {
  readonly audience: readonly string[];
  readonly now: Date;
  readonly leewaySeconds: number;
}

/**
 * Valid from `nbf` on and before `exp` (RFC 7519 sections 4.1.4 and 4.1.5), for the audience.
 * @throws TokenRefused
 */
export function checkClaims(claims: ServiceTokenClaims, expected: Expectations): void {
  const { audience, now, leewaySeconds } = expected;
  const seconds = now.getTime() / 1000;
  const refuse = (code: RefusalCode, reason: string) => new TokenRefused(code, reason);
  if (!claims.aud.some((aud) => audience.includes(aud))) {
    throw refuse('AUDIENCE_MISMATCH', `the token is not for ${audience.join(' or ')}`);
  }
  if (seconds >= claims.exp + leewaySeconds) {
    throw refuse('TOKEN_EXPIRED', `the token expired ${instant(claims.exp)}`);
  }
  if (claims.nbf !== undefined && seconds < claims.nbf - leewaySeconds) {
    throw refuse('TOKEN_NOT_YET_VALID', `the token is valid from ${instant(claims.nbf)} on`);
  }
}

function instant(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

function claimInvalid(claim: string): TokenRefused {
  return new TokenRefused('CLAIM_INVALID', `the claim ${claim} is missing or of the wrong type`);
}
