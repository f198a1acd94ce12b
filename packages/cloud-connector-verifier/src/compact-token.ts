import { TokenRefused } from './refusal.js';
import { type JsonObject, parseStrictObject } from './strict-json.js';

/** A token as it can be read before anything of it is trusted. */
export interface CompactToken {
  readonly compact: string;
  readonly kid: string;
  readonly payload: JsonObject;
}

/** Tokens of an issuer with all primitives granted have some 3,000 characters. */
export const MAX_TOKEN_CHARACTERS = 16_384;
const PART = /^[A-Za-z0-9_-]+$/;
/** With these a JWS says how it wants to be verified, and with whose key: never its own affair. */
const FORBIDDEN_MEMBERS = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'enc', 'epk'] as const;

/**
 * The compact form (RFC 7515 section 7.1) and no other, its header and its claims.
 * @throws TokenRefused TOKEN_MALFORMED, ALGORITHM_NOT_ALLOWED, TOKEN_TYPE_INVALID, KEY_UNKNOWN
 */
export function parseCompactToken(
  compact: string,
  profile: { readonly typ: string; readonly alg: string; readonly maxCharacters: number },
): CompactToken {
  if (compact.length > profile.maxCharacters) throw malformed('the token is too long');
  const parts = compact.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw malformed('the token is no compact JWS of three parts');
  const protectedHeader = readPart(header);
  if (!protectedHeader) throw malformed('the header of the token is no JSON object');
  // Before the signature is looked at: a token with alg none has none.
  if (protectedHeader['alg'] !== profile.alg) {
    throw new TokenRefused('ALGORITHM_NOT_ALLOWED', `the token is not signed with ${profile.alg}`);
  }
  const forbidden = FORBIDDEN_MEMBERS.find((member) => member in protectedHeader);
  if (forbidden) throw malformed(`the header of the token has the member ${forbidden}`);
  if (!isOfType(protectedHeader['typ'], profile.typ)) {
    throw new TokenRefused('TOKEN_TYPE_INVALID', `the typ of the token is not ${profile.typ}`);
  }
  const { kid } = protectedHeader;
  if (typeof kid !== 'string' || kid === '') {
    throw new TokenRefused('KEY_UNKNOWN', 'the token names no key');
  }
  const claims = readPart(payload);
  if (!claims) throw malformed('the payload of the token is no JSON object');
  if (!isCanonical(signature)) throw malformed('the signature of the token is not base64url');
  return { compact, kid, payload: claims };
}

function readPart(part: string): JsonObject | null {
  return isCanonical(part) ? parseStrictObject(Buffer.from(part, 'base64url')) : null;
}

/** One spelling for one token: no padding, no stray bits in the last character. */
function isCanonical(part: string): boolean {
  return PART.test(part) && Buffer.from(part, 'base64url').toString('base64url') === part;
}

/** Letter case and an `application/` before it mean nothing (RFC 7515 section 4.1.9). */
function isOfType(typ: unknown, expected: string): boolean {
  if (typeof typ !== 'string') return false;
  return typ.toLowerCase().replace(/^application\//, '') === expected.toLowerCase();
}

function malformed(reason: string): TokenRefused {
  return new TokenRefused('TOKEN_MALFORMED', reason);
}
