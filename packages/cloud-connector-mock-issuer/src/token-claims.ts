import { randomBytes } from 'node:crypto';

/** What a caller may ask for in a token. */
export interface TokenWishes {
  /** The instance UUID, which a client sends as `X-Gitlab-Instance-Id`. */
  readonly sub: string;
  readonly realm: string;
  readonly audiences: readonly string[];
  /** Names of unit primitives. */
  readonly scopes: readonly string[];
  /** `iss`, when it is to be another than that of the issuer. */
  readonly issuer?: string;
}

export interface TokenPolicy {
  readonly issuer: string;
  readonly ttlSeconds: number;
}

/** Claims as they are signed; any of them may be replaced or left out by what is to be refused. */
export type Claims = Readonly<Record<string, unknown>>;

/** `iat` and `nbf` are dated back by so much, for backends whose clock is behind. */
const SKEW_SECONDS = 5;
const UNIQUE_INSTANCE_ID = '0d8f5c1e-6f7a-5b3c-9d2e-4a1b7c8e9f03';

/** The claims of a good service access token; instants are whole seconds since 1970 (RFC 7519). */
export function goodClaims(wishes: TokenWishes, policy: TokenPolicy, now: Date): Claims {
  const issuedAt = Math.floor(now.getTime() / 1000);
  return {
    iss: wishes.issuer ?? policy.issuer,
    aud: wishes.audiences,
    sub: wishes.sub,
    iat: issuedAt - SKEW_SECONDS,
    nbf: issuedAt - SKEW_SECONDS,
    exp: issuedAt + policy.ttlSeconds,
    jti: uuidV7(now),
    gitlab_realm: wishes.realm,
    gitlab_instance_uid: UNIQUE_INSTANCE_ID,
    scopes: wishes.scopes,
  };
}

/** The headers that a client sends beside the token. */
export function clientHeaders(wishes: TokenWishes): Record<string, string> {
  return {
    'X-Gitlab-Authentication-Type': 'oidc',
    'X-Gitlab-Instance-Id': wishes.sub,
    'X-Gitlab-Realm': wishes.realm,
    'X-Gitlab-Host-Name': 'gitlab.example.com',
    'X-Gitlab-Version': '18.6.0',
  };
}

/** RFC 9562 section 5.7: the milliseconds first, then chance. */
function uuidV7(now: Date): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now.getTime(), 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
