import { TokenRefused } from './refusal.js';
import { type JsonObject, parseStrictObject } from './strict-json.js';

/** The parts of a token before its verification. */
export interface CompactToken {
  readonly compact: string;
  readonly kid: string;
  readonly payload: JsonObject;
}

/** A token with all unit primitives has some 3,000 characters. */
export const MAX_TOKEN_CHARACTERS = 16_384;
const PART = /^[A-Za-z0-9_-]+$/;
/** With these members a JWS would choose its own verification or key. */
const FORBIDDEN_MEMBERS = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'enc', 'epk'] as const;

/**
 * Parses the compact form (RFC 7515 section 7.1) and no other.
 * @throws TokenRefused TOKEN_MALFORMED, ALGORITHM_NOT_ALLOWED, TOKEN_TYPE_INVALID, KEY_UNKNOWN
 */
export function parseCompactToken(
  compact: string,
  profile: { readonly typ: string; readonly alg: string; readonly maxCharacters: number },
): CompactToken {
  if (compact.length > profile.maxCharacters) throw malformed('the token is too long');
  const parts = compact.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw malformed('the token is not a compact JWS of three parts');
  const protectedHeader = readPart(header);
  if (!protectedHeader) throw malformed('the header of the token is not a JSON object');
  // Before the signature: a token with alg none has none.
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
  if (!claims) throw malformed('the payload of the token is not a JSON object');
  if (!isCanonical(signature)) throw malformed('the signature of the token is not base64url');
  return { compact, kid, payload: claims };
}

function readPart(part: string): JsonObject | null {
  return isCanonical(part) ? parseStrictObject(Buffer.from(part, 'base64url')) : null;
}

/** Each token has one spelling: no padding, no stray bits in the last character. */
function isCanonical(part: string): boolean {
  return PART.test(part) && Buffer.from(part, 'base64url').toString('base64url') === part;
}

/** Letter case and a leading `application/` do not matter (RFC 7515 section 4.1.9). */
function isOfType(typ: unknown, expected: string): boolean {
  if (typeof typ !== 'string') return false;
  return typ.toLowerCase().replace(/^application\//, '') === expected.toLowerCase();
}

function malformed(reason: string): TokenRefused {
  return new TokenRefused('TOKEN_MALFORMED', reason);
}
