import type { ServiceTokenClaims } from './claims.js';
import { isSameIssuer } from './discovery.js';

/** The instance that makes a request, with the unit primitives of its token. */
export interface BackendUser {
  /** The trusted issuer of the token, without a slash at the end. */
  readonly issuer: string;
  /** The UUID of the instance (`sub`). */
  readonly instanceId: string;
  /** `self-managed` or `saas`. */
  readonly realm: string;
  /** The names of the unit primitives that were granted. */
  readonly scopes: readonly string[];
  readonly claims: ServiceTokenClaims;
  /**
   * Whether the token grants the unit primitive.
   * @param options.disallowedIssuers issuers whose tokens do not count here
   */
  can(unitPrimitive: string, options?: PermissionOptions): boolean;
}

export interface PermissionOptions {
  readonly disallowedIssuers?: readonly string[];
}

export function backendUser(claims: ServiceTokenClaims, issuer: string): BackendUser {
  const { sub, gitlab_realm, scopes } = claims;
  return {
    issuer,
    instanceId: sub,
    realm: gitlab_realm,
    scopes,
    claims,
    can: (unitPrimitive, { disallowedIssuers = [] } = {}) =>
      scopes.includes(unitPrimitive) &&
      !disallowedIssuers.some((other) => isSameIssuer(other, issuer)),
  };
}
