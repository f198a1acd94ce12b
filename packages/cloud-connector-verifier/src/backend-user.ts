import type { ServiceTokenClaims } from './claims.js';

/** Who makes a request: an instance, with what its token lets it use. */
export interface BackendUser {
  /** The issuer that vouches for it, one of those trusted. */
  readonly issuer: string;
  /** The UUID of the instance (`sub`). */
  readonly instanceId: string;
  /** `self-managed` or `saas`. */
  readonly realm: string;
  /** The names of the unit primitives that were granted. */
  readonly scopes: readonly string[];
  readonly claims: ServiceTokenClaims;
  /**
   * Whether the unit primitive is granted to it.
   * @param options.disallowedIssuers issuers whose tokens do not count here
   */
  can(unitPrimitive: string, options?: PermissionOptions): boolean;
}

export interface PermissionOptions {
  readonly disallowedIssuers?: readonly string[];
}

export function backendUser(claims: ServiceTokenClaims): BackendUser {
  const { iss, sub, gitlab_realm, scopes } = claims;
  return {
    issuer: iss,
    instanceId: sub,
    realm: gitlab_realm,
    scopes,
    claims,
    can: (unitPrimitive, { disallowedIssuers = [] } = {}) =>
      scopes.includes(unitPrimitive) && !disallowedIssuers.includes(iss),
  };
}
