import { createHash } from 'node:crypto';
import {
  expectedScopes,
  type ExpectedScopes,
  isRunning,
  type PlainCatalog,
} from './expected-scopes.js';
import { BoundedCache } from './bounded-cache.js';
import type { LicenseState } from './license-states.js';

/** A configuration as `policy_snapshots` stores it. */
export interface PlainPolicy {
  readonly issuer: string;
  readonly ttl_seconds: number;
  readonly not_before_skew_seconds: number;
  readonly enforce_license_types: boolean;
  /** Null when self-issued tokens are off. */
  readonly self_issued_instance_id: string | null;
  /** Missing from policies of before `iat` was dated back. */
  readonly issued_at_skew_seconds?: number;
}

/** A catalog of `catalog_snapshots`, with the names that the rules use. */
export interface AuditedCatalog extends PlainCatalog {
  readonly digest: string;
}

export interface TokenIdentity {
  readonly jti: string;
  readonly sub: string;
  readonly uid: string;
  readonly status_index: number | null;
}

/** The most that SERVICE_TOKEN_TTL_SECONDS can be set to. */
export const LONGEST_TTL_SECONDS = 604_800;
const GRACE_DAYS = 14;
const DAY_MS = 86_400_000;
const LIST_BITS = 1_048_576;
const REMEMBERED = 20_000;

/** Why a license in this state gets no token; null when it gets one. */
export function refusalOf(license: LicenseState, at: Date): string | null {
  if (license.kind !== 'online_cloud' && license.kind !== 'offline_cloud')
    return 'it was not a cloud license';
  if (license.revoked_at !== null && license.revoked_at.getTime() <= at.getTime()) {
    return 'the license was revoked';
  }
  if (Date.parse(license.starts_on) > at.getTime()) return 'the license had not started';
  return at.getTime() < graceEnd(license) ? null : 'the grace of the license was over';
}

/** The latest `exp` of a token of this license under this policy, in seconds since 1970. */
export function latestExpiry(license: LicenseState, policy: PlainPolicy, at: Date): number {
  const lifetime = Math.floor(at.getTime() / 1000) + policy.ttl_seconds;
  return Math.min(lifetime, graceEnd(license) / 1000);
}

function graceEnd({ expires_on }: LicenseState): number {
  return Date.parse(expires_on) + GRACE_DAYS * DAY_MS;
}

/**
 * SHA-256 of the payload that a token must have had: JSON without blanks, its members in the order
 * iss, aud, sub, iat, nbf, exp, jti, gitlab_realm, gitlab_instance_uid, scopes, status.
 */
export function expectedDigest(
  { jti, sub, uid, status_index }: TokenIdentity,
  { scopes, audiences }: Pick<ExpectedScopes, 'scopes' | 'audiences'>,
  policy: PlainPolicy,
  at: Date,
  exp: number,
): Buffer {
  const second = Math.floor(at.getTime() / 1000);
  const status = status_index === null ? {} : { status: statusOf(policy.issuer, status_index) };
  const claims = {
    iss: policy.issuer,
    aud: audiences,
    sub,
    iat: second - (policy.issued_at_skew_seconds ?? 0),
    nbf: second - policy.not_before_skew_seconds,
    exp,
    jti,
    gitlab_realm: 'self-managed',
    gitlab_instance_uid: uid,
    scopes,
    ...status,
  };
  return createHash('sha256').update(JSON.stringify(claims)).digest();
}

export function statusOf(issuer: string, index: number) {
  const list = (index - (index % LIST_BITS)) / LIST_BITS;
  return { status_list: { idx: index % LIST_BITS, uri: `${issuer}/status/${list}` } };
}

/** `expectedScopes` for many tokens: licenses that bought the same things get the same scopes. */
export class RememberedScopes {
  private readonly known = new BoundedCache<string, ExpectedScopes>(REMEMBERED);

  of(
    license: LicenseState,
    catalog: AuditedCatalog,
    version: string,
    enforceLicenseTypes: boolean,
    at: Date,
  ): ExpectedScopes {
    const running = license.purchases.filter((purchase) => isRunning(purchase, at));
    const bought = [...new Set(running.map(({ add_on }) => add_on))].sort();
    const over = catalog.unit_primitives.filter(
      ({ cut_off_date }) => cut_off_date !== null && Date.parse(cut_off_date) <= at.getTime(),
    ).length;
    const key = JSON.stringify([
      ...[catalog.digest, over, license.plan, enforceLicenseTypes, version],
      ...bought,
    ]);
    const known = this.known.get(key);
    if (known) return known;
    const answer = expectedScopes({
      plan: license.plan,
      purchases: running,
      catalog,
      gitlab_version: version,
      now: at.toISOString(),
      enforce_license_types: enforceLicenseTypes,
    });
    this.known.set(key, answer);
    return answer;
  }
}
