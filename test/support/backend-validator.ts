import { importJWK, type JWK, type JWTPayload, jwtVerify } from 'jose';

/** What GitLab attaches to a request to a backend service. */
export function backendHeaders(
  token: string,
  instanceId: string,
  others: Readonly<Record<string, string>> = {},
): Headers {
  return new Headers({
    authorization: `Bearer ${token}`,
    'x-gitlab-authentication-type': 'oidc',
    'x-gitlab-realm': 'self-managed',
    'x-gitlab-instance-id': instanceId,
    'x-gitlab-host-name': 'gitlab.example.com',
    'x-gitlab-version': '18.6.0-ee',
    ...others,
  });
}

export type Verdict =
  | { readonly accepted: true; readonly claims: JWTPayload; readonly scopes: readonly string[] }
  | { readonly accepted: false; readonly error: string };

const KEY_MEMBERS = ['alg', 'e', 'kid', 'kty', 'n', 'use'];
const NO_LEEWAY = 0;
const FORBIDDEN: Verdict = { accepted: false, error: 'Forbidden by auth provider' };

/**
 * A backend service. It knows the issuer's URL and its own audience, fetches the keys once and
 * keeps them, tries every one of them, ignores the token's `kid`, and allows no leeway.
 */
export class BackendValidator {
  private keys: Promise<readonly JWK[]> | null = null;

  constructor(
    private readonly issuerUrl: string,
    private readonly audience: string,
    private readonly now: () => Date,
  ) {}

  async judge(headers: Headers): Promise<Verdict> {
    if (headers.get('x-gitlab-authentication-type') !== 'oidc') return FORBIDDEN;
    const token = /^Bearer (.+)$/.exec(headers.get('authorization') ?? '')?.[1];
    const claims = token === undefined ? null : await this.verify(token);
    if (!claims || !isWellTyped(claims)) return FORBIDDEN;
    const mismatch = mismatchOf(claims, headers);
    if (mismatch !== null) return { accepted: false, error: `Header mismatch '${mismatch}'` };
    return { accepted: true, claims, scopes: claims.scopes };
  }

  private async verify(token: string): Promise<JWTPayload | null> {
    this.keys ??= fetchKeys(this.issuerUrl);
    for (const key of await this.keys) {
      try {
        const { payload } = await jwtVerify(token, await importJWK(key, 'RS256'), {
          algorithms: ['RS256'],
          audience: this.audience,
          clockTolerance: NO_LEEWAY,
          currentDate: this.now(),
        });
        return payload;
      } catch {
        // Signed by another key, or not to be accepted at all: the next key tells.
      }
    }
    return null;
  }
}

/** Always at the root of the origin, and of the document only `jwks_uri`. */
async function fetchKeys(issuerUrl: string): Promise<readonly JWK[]> {
  const discovery = await fetch(new URL('/.well-known/openid-configuration', issuerUrl));
  const { jwks_uri } = (await discovery.json()) as { jwks_uri: string };
  const keySet = (await (await fetch(jwks_uri)).json()) as { keys: readonly JWK[] };
  const [odd] = keySet.keys.filter((key) => !isReadable(key));
  if (odd ?? Object.keys(keySet).length !== 1) {
    throw new Error(`one such document takes down every issuer: ${JSON.stringify(keySet)}`);
  }
  return keySet.keys;
}

/** The one shape of key that the validators in the field read without falling over. */
function isReadable(key: JWK): boolean {
  return (
    Object.keys(key).sort().join() === KEY_MEMBERS.join() &&
    Object.values(key).every((member) => typeof member === 'string') &&
    key.kty === 'RSA' &&
    key.alg === 'RS256' &&
    key.use === 'sig'
  );
}

function isWellTyped(claims: JWTPayload): claims is JWTPayload & { scopes: string[] } {
  return (
    typeof claims.sub === 'string' &&
    typeof claims.jti === 'string' &&
    Number.isInteger(claims.iat) &&
    Array.isArray(claims['scopes'])
  );
}

/** The first header that is not what a non-empty claim says; a missing one is a mismatch. */
function mismatchOf(claims: JWTPayload, headers: Headers): string | null {
  const pairs = [
    ['X-Gitlab-Realm', claims['gitlab_realm']],
    ['X-Gitlab-Instance-Id', claims.sub],
    ['X-Gitlab-Instance-Id', claims['gitlab_instance_id']],
  ] as const;
  const wrong = pairs.find(([name, claim]) => claim && headers.get(name) !== claim);
  return wrong?.[0] ?? null;
}
