import type { SelfIssuedResolution } from './self-issued-decision.js';
import type { ServiceTokenClaims, ServiceTokenPolicy } from './service-token-claims.js';
import { statusReferenceOf } from './status-list.js';

/** They serve one request, so they are short-lived, whatever service tokens are. */
export const SELF_ISSUED_TTL_SECONDS = 3600;

/** The platform's own id of a namespace or project, a text or a whole number. */
export type PlatformId = string | number;

/** What a caller may have said in the token beside what we say. */
export interface ExtraClaims {
  readonly gitlab_namespace_id?: PlatformId;
  readonly gitlab_namespace_ids?: readonly PlatformId[];
  readonly gitlab_root_namespace_id?: PlatformId;
  readonly gitlab_project_id?: PlatformId;
}

/** The claims of a token that the platform issues to itself; it names no user. */
export interface SelfIssuedTokenClaims
  extends Omit<ServiceTokenClaims, 'gitlab_realm' | 'gitlab_instance_uid'>, ExtraClaims {
  readonly gitlab_realm: 'saas';
}

/** `instanceId` is the platform's own instance UUID, byte for byte as it sends it. */
export function selfIssuedTokenClaims(
  instanceId: string,
  { scopes, audiences }: Pick<SelfIssuedResolution, 'scopes' | 'audiences'>,
  extraClaims: ExtraClaims,
  policy: Pick<ServiceTokenPolicy, 'issuer' | 'notBeforeSkewSeconds'>,
  now: Date,
  jti: string,
  statusIndex: number | null,
): SelfIssuedTokenClaims {
  const iat = Math.floor(now.getTime() / 1000);
  return {
    iss: policy.issuer,
    aud: audiences,
    sub: instanceId,
    iat,
    nbf: iat - policy.notBeforeSkewSeconds,
    exp: iat + SELF_ISSUED_TTL_SECONDS,
    jti,
    gitlab_realm: 'saas',
    scopes,
    ...(statusIndex === null
      ? {}
      : { status: { status_list: statusReferenceOf(policy.issuer, statusIndex) } }),
    ...extraClaims,
  };
}
