import { type License, graceEndsAt } from './license.js';
import type { Resolution } from './scope-decision.js';
import { type StatusReference, statusReferenceOf } from './status-list.js';

/** The longest lifetime that can be configured. */
export const MAX_TTL_SECONDS = 604_800;

/** The claims of a service access token; instants are whole seconds since 1970 (RFC 7519). */
export interface ServiceTokenClaims {
  readonly iss: string;
  readonly aud: readonly string[];
  /** The instance UUID, byte for byte as the instance sends it. */
  readonly sub: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly gitlab_realm: 'self-managed';
  readonly gitlab_instance_uid: string;
  readonly scopes: readonly string[];
  /** Where validators see whether it was revoked; absent when status lists are off. */
  readonly status?: { readonly status_list: StatusReference };
}

/** The operator's terms for every token. */
export interface TokenPolicy {
  readonly issuer: string;
  /** Of service tokens. */
  readonly ttlSeconds: number;
  /** How far `iat` and `nbf` are dated back, for validators whose clock runs late. */
  readonly notBeforeSkewSeconds: number;
}

/** What tells one token of a holder from the next. */
export interface TokenIdentity {
  readonly jti: string;
  /** Its place in the status lists; null when status lists are off. */
  readonly statusIndex: number | null;
}

/** What the claims of any token are made of. */
export interface TokenFacts extends TokenIdentity {
  /** The instance UUID, byte for byte as the instance sends it. */
  readonly instanceId: string;
  readonly resolution: Pick<Resolution, 'scopes' | 'audiences'>;
  readonly policy: TokenPolicy;
  readonly now: Date;
}

export interface ServiceTokenFacts extends TokenFacts {
  /** Not denied at `now`. */
  readonly license: Pick<License, 'expiresOn'>;
  readonly instanceUid: string;
}

/** `exp` never lies past the end of the license's grace; purchases do not shorten it. */
export function serviceTokenClaims(facts: ServiceTokenFacts): ServiceTokenClaims {
  const graceEnd = graceEndsAt(facts.license).getTime() / 1000;
  const claims = registeredClaims(facts, facts.policy.ttlSeconds);
  return {
    ...claims,
    exp: Math.min(claims.exp, graceEnd),
    gitlab_realm: 'self-managed',
    gitlab_instance_uid: facts.instanceUid,
    scopes: facts.resolution.scopes,
    ...statusClaim(facts),
  };
}

/** The claims of RFC 7519 section 4.1, in the order in which they are signed. */
export function registeredClaims(
  { instanceId, resolution, policy, now, jti }: TokenFacts,
  ttlSeconds: number,
) {
  const issuedAt = Math.floor(now.getTime() / 1000);
  const datedBack = issuedAt - policy.notBeforeSkewSeconds;
  return {
    iss: policy.issuer,
    aud: resolution.audiences,
    sub: instanceId,
    // Some validators (PyJWT) refuse a token whose iat lies in their future.
    iat: datedBack,
    nbf: datedBack,
    exp: issuedAt + ttlSeconds,
    jti,
  };
}

export function statusClaim({
  policy,
  statusIndex,
}: TokenFacts): Pick<ServiceTokenClaims, 'status'> {
  if (statusIndex === null) return {};
  return { status: { status_list: statusReferenceOf(policy.issuer, statusIndex) } };
}
