import type { ServiceTokenClaims } from './claims.js';
import { headerMismatch, refused, type Refused } from './refusal.js';

/** The headers of a request, of Node (`request.headers`) or of Fetch. */
export type RequestHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null };

const BEARER = /^bearer ([A-Za-z0-9._-]+)$/i;

/** The token of `Authorization: Bearer`, or a refusal. */
export function bearerToken(headers: RequestHeaders): string | Refused {
  const authorization = headerOf(headers, 'authorization');
  if (authorization === undefined) {
    return refused('AUTHORIZATION_MISSING', 'the request has no Authorization header');
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) {
    return refused('AUTHORIZATION_INVALID', 'the Authorization header has no Bearer token');
  }
  if (headerOf(headers, 'x-gitlab-authentication-type') === 'oidc') return token;
  const reason = 'the header X-Gitlab-Authentication-Type is not oidc';
  return refused('AUTHENTICATION_TYPE_INVALID', reason);
}

/** Each non-empty claim must equal its header. A missing header is a mismatch. */
export function mismatchOf(claims: ServiceTokenClaims, headers: RequestHeaders): Refused | null {
  const pairs = [
    ['X-Gitlab-Realm', claims.gitlab_realm],
    ['X-Gitlab-Instance-Id', claims.sub],
    ['X-Gitlab-Instance-Id', claims.gitlab_instance_id],
  ] as const;
  const wrong = pairs.find(([name, claim]) => claim && headerOf(headers, name) !== claim);
  return wrong ? headerMismatch(wrong[0]) : null;
}

/** Values of a repeated header are joined, and so match nothing. */
function headerOf(headers: RequestHeaders, name: string): string | undefined {
  // JavaScript callers may pass undefined.
  if (Object(headers) !== headers) return undefined;
  if (isFetchHeaders(headers)) return headers.get(name) ?? undefined;
  const wanted = name.toLowerCase();
  const values = Object.entries(headers)
    .filter(([key]) => key.toLowerCase() === wanted)
    .flatMap(([, value]) => value ?? []);
  return values.length > 0 ? values.join(', ') : undefined;
}

function isFetchHeaders(headers: RequestHeaders): headers is { get(name: string): string | null } {
  return typeof headers.get === 'function';
}
