import { createHash, randomUUID } from 'node:crypto';
import { BOOLEAN, ID, listOf, optional, type Rules, TEXT } from './check-input.js';
import type { HeldToken } from './held-token.js';
import { headerValue, type Settings } from './options.js';

/** The subject of a request to a backend. */
export interface BackendRequest {
  /** The user's id on this instance. Only a digest is sent. Absent: the request has no user. */
  readonly userId?: string | number;
  /** Such as `duo_chat`; the proxy endpoints of the AI gateway want it named. */
  readonly unitPrimitive?: string;
  /** The caller's name for its feature, for error messages only. */
  readonly aiFeatureName?: string;
  /** Namespaces that enabled the feature for the user. */
  readonly namespaceIds?: readonly (string | number)[];
  /** How it is enabled, such as `add_on`. */
  readonly featureEnablementType?: string;
  /** The kind of installation, such as `self_managed`. */
  readonly deploymentType?: string;
  /** The kind of the subject, such as `user`. */
  readonly subjectType?: string;
  /** Names of feature flags that are on for the subject. */
  readonly enabledFeatureFlags?: readonly string[];
  /** Sends the user's id itself, too, beside its digest. */
  readonly sendUserId?: boolean;
  /** Generated when absent. */
  readonly requestId?: string;
}

export const REQUEST_RULES: Rules<BackendRequest> = {
  userId: optional(ID),
  unitPrimitive: optional(TEXT),
  aiFeatureName: optional(TEXT),
  namespaceIds: optional(listOf(ID)),
  featureEnablementType: optional(TEXT),
  deploymentType: optional(TEXT),
  subjectType: optional(TEXT),
  enabledFeatureFlags: optional(listOf(TEXT)),
  sendUserId: optional(BOOLEAN),
  requestId: optional(TEXT),
};

/** Exactly the headers of contract section 8. @throws {InstanceClientError} OPTION_INVALID */
export function backendHeaders(
  settings: Settings,
  token: HeldToken,
  request: BackendRequest,
): Record<string, string> {
  const { userId, unitPrimitive, namespaceIds, featureEnablementType, requestId } = request;
  const { deploymentType, subjectType, enabledFeatureFlags, sendUserId } = request;
  const optional = {
    'X-Gitlab-Global-User-Id': userId === undefined ? null : globalUserId(settings, userId),
    'X-Gitlab-Feature-Enabled-By-Namespace-Ids': namespaceIds?.join(',') || null,
    'X-Gitlab-Feature-Enablement-Type': featureEnablementType ?? null,
    'x-gitlab-unit-primitive': unitPrimitive ?? null,
    'x-gitlab-user-id': sendUserId === true && userId !== undefined ? String(userId) : null,
    'x-gitlab-deployment-type': deploymentType ?? null,
    'x-gitlab-subject-type': subjectType ?? null,
    'x-gitlab-enabled-feature-flags': enabledFeatureFlags?.join(',') || null,
  };
  const given = Object.entries(optional).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, headerValue(name, value)]],
  );
  return {
    Authorization: `Bearer ${token.token}`,
    'X-Gitlab-Authentication-Type': 'oidc',
    'X-Gitlab-Instance-Id': settings.instanceId,
    'X-Gitlab-Realm': token.realm,
    'X-Gitlab-Host-Name': settings.hostname,
    'X-Gitlab-Version': settings.gitlabVersion,
    'X-Request-ID': headerValue('requestId', requestId ?? randomUUID()),
    ...Object.fromEntries(given),
  };
}

/** Base64 of the SHA-256 of instance UUID, user id and the instance's secret (section 8). */
function globalUserId(settings: Settings, userId: string | number): string {
  const { instanceId, globalUserIdSecret } = settings;
  const digest = createHash('sha256').update(`${instanceId}${userId}${globalUserIdSecret}`);
  return digest.digest('base64');
}
