import { type License, graceEndsAt } from './license.js';
import type { Resolution } from './scope-decision.js';
import { type StatusReference, statusReferenceOf } from './status-list.js';

/** No token ever lives longer, whatever was configured when it was issued. */
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
  /** Where validators learn of its revocation; absent when they do not. */
  readonly status?: { readonly status_list: StatusReference };
}

export interface ServiceTokenPolicy {
  readonly issuer: string;
  readonly ttlSeconds: number;
  /** How far `nbf` is dated back, for validators whose clock runs late. */
  readonly notBeforeSkewSeconds: number;
}

/** Whom the token is about. */
export interface TokenSubject {
  readonly instanceId: string;
  readonly instanceUid: string;
}

/**
 * The claims of a token issued at `now` for a license that is not denied at `now`.
 * `exp` never lies past the end of the license's grace; purchases do not shorten it.
 */
export function serviceTokenClaims(
  license: Pick<License, 'expiresOn'>,
  subject: TokenSubject,
  resolution: Pick<Resolution, 'scopes' | 'audiences'>,
  policy: ServiceTokenPolicy,
  now: Date,
  jti: string,
  statusIndex: number | null = null,
): ServiceTokenClaims {
  const iat = Math.floor(now.getTime() / 1000);
  const graceEnd = graceEndsAt(license).getTime() / 1000;
  return {
    iss: policy.issuer,
    aud: resolution.audiences,
    sub: subject.instanceId,
    iat,
    nbf: iat - policy.notBeforeSkewSeconds,
    exp: Math.min(iat + policy.ttlSeconds, graceEnd),
    jti,
    gitlab_realm: 'self-managed',
    gitlab_instance_uid: subject.instanceUid,
    scopes: resolution.scopes,
    ...(statusIndex === null
      ? {}
      : { status: { status_list: statusReferenceOf(policy.issuer, statusIndex) } }),
  };
}
