import { deflateSync } from 'node:zlib';
import type { AuxiliaryKey } from './auxiliary-key.js';

export const STATUS_LIST_TYP = 'statuslist+jwt';

/** The places that the mock issuer's only list has: one valid, one revoked. */
export const VALID_INDEX = 7;
export const REVOKED_INDEX = 9;

const LIST_BYTES = 128;
const TTL_SECONDS = 5;
const LIFETIME_SECONDS = 3600;

export function statusListUri(issuer: string): string {
  return `${issuer}/status/0`;
}

/** The `status` claim of a token (draft-ietf-oauth-status-list section 6.2). */
export function statusClaim(issuer: string, index: number): object {
  return { status_list: { idx: index, uri: statusListUri(issuer) } };
}

/** A status list (section 5.1), signed; `ttl` is short, for a backend to come back soon. */
export function signedStatusList(
  issuer: string,
  key: AuxiliaryKey,
  now: Date,
  lifetimeSeconds = LIFETIME_SECONDS,
): string {
  const bits = new Uint8Array(LIST_BYTES);
  // Section 4.1: the first token is the lowest bit of the first byte; 1 is INVALID.
  bits[REVOKED_INDEX >> 3] = 1 << (REVOKED_INDEX & 7);
  const iat = Math.floor(now.getTime() / 1000);
  return key.sign(STATUS_LIST_TYP, {
    iss: issuer,
    sub: statusListUri(issuer),
    iat,
    exp: iat + Math.max(lifetimeSeconds, LIFETIME_SECONDS),
    ttl: TTL_SECONDS,
    status_list: { bits: 1, lst: deflateSync(bits, { level: 9 }).toString('base64url') },
  });
}
