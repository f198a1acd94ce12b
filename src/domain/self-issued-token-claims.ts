import {
  registeredClaims,
  type ServiceTokenClaims,
  statusClaim,
  type TokenFacts,
} from './service-token-claims.js';

/** A self-issued token serves one request. The operator's lifetime is for service tokens only. */
export const SELF_ISSUED_TTL_SECONDS = 3600;

/** The platform's own id of a namespace or project, a text or a whole number. */
export type PlatformId = string | number;

/** Claims that the caller may add. */
export interface ExtraClaims {
  readonly gitlab_namespace_id?: PlatformId;
  readonly gitlab_namespace_ids?: readonly PlatformId[];
  readonly gitlab_root_namespace_id?: PlatformId;
  readonly gitlab_project_id?: PlatformId;
  readonly skip_usage_cutoff?: boolean;
  /** JSON as a text. */
  readonly tool_access_policies?: string;
}

/** The claims of a token that the platform issues to itself; it names no user. */
export interface SelfIssuedTokenClaims
  extends Omit<ServiceTokenClaims, 'gitlab_realm' | 'gitlab_instance_uid'>, ExtraClaims {
  readonly gitlab_realm: 'saas';
}

export interface SelfIssuedTokenFacts extends TokenFacts {
  readonly extraClaims: ExtraClaims;
}

/** `instanceId` is the platform's own instance UUID. */
export function selfIssuedTokenClaims(facts: SelfIssuedTokenFacts): SelfIssuedTokenClaims {
  return {
    ...registeredClaims(facts, SELF_ISSUED_TTL_SECONDS),
    gitlab_realm: 'saas',
    scopes: facts.resolution.scopes,
    ...statusClaim(facts),
    ...facts.extraClaims,
  };
}
