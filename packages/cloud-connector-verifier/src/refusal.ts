/** Why a request is refused. Programs may match on these codes: the set is closed. */
export type RefusalCode =
  /** No `Authorization` header. */
  | 'AUTHORIZATION_MISSING'
  /** An `Authorization` header that is not `Bearer <token>`. */
  | 'AUTHORIZATION_INVALID'
  /** `X-Gitlab-Authentication-Type` is not `oidc`. */
  | 'AUTHENTICATION_TYPE_INVALID'
  /** Not a compact JWS of two JSON objects, too long, or with a forbidden header member. */
  | 'TOKEN_MALFORMED'
  /** Signed with anything but RS256. */
  | 'ALGORITHM_NOT_ALLOWED'
  /** A JWT of another type than `JWT`, such as a status list. */
  | 'TOKEN_TYPE_INVALID'
  /** A claim is missing or of the wrong type; `claim` names it. */
  | 'CLAIM_INVALID'
  /** `iss` is not a trusted issuer. */
  | 'ISSUER_UNKNOWN'
  /** None of the issuer's keys could be fetched so far. */
  | 'KEYS_UNAVAILABLE'
  /** The issuer publishes no key with this `kid`. */
  | 'KEY_UNKNOWN'
  | 'SIGNATURE_INVALID'
  | 'AUDIENCE_MISMATCH'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_NOT_YET_VALID'
  /** A header contradicts a claim, or is missing; `header` names it. */
  | 'HEADER_MISMATCH'
  /** The status list of the issuer has the token revoked. */
  | 'TOKEN_REVOKED'
  /** The token does not refer to a place in a status list of its issuer. */
  | 'STATUS_REFERENCE_INVALID'
  /** The status list is not available, and `whenStatusUnavailable` is `refuse`. */
  | 'STATUS_UNAVAILABLE';

/** A refused request, with the answer to send (`status` and `body`). */
export interface Refused {
  readonly accepted: false;
  readonly status: 401;
  readonly code: RefusalCode;
  /** For logs. It never has any part of the token. */
  readonly reason: string;
  readonly body: { readonly error: string };
}

const BODIES: Partial<Record<RefusalCode, string>> = {
  AUTHORIZATION_MISSING: 'No authorization header presented',
  AUTHORIZATION_INVALID: 'Invalid authorization header',
  AUTHENTICATION_TYPE_INVALID: 'Invalid authentication token type - only OIDC is supported',
};

/** The caller gets the message of the AI gateway. The reason is for the log. */
export function refused(code: RefusalCode, reason: string): Refused {
  const error = BODIES[code] ?? 'Forbidden by auth provider';
  return { accepted: false, status: 401, code, reason, body: { error } };
}

export function headerMismatch(header: string): Refused {
  const reason = `the header ${header} differs from the token`;
  const body = { error: `Header mismatch '${header}'` };
  return { ...refused('HEADER_MISMATCH', reason), body };
}

/** Stops the verification of one token; never leaves the package. */
export class TokenRefused extends Error {
  constructor(
    readonly code: RefusalCode,
    reason: string,
  ) {
    super(reason);
  }
}
