import { createHash } from 'node:crypto';
import { type AuditedCatalog, type PlainPolicy, statusOf } from './expected-claims.js';
import { type ExpectedScopes, isRunning, type PlainPurchase } from './expected-scopes.js';

/** A purchase with the plan of its namespace. */
export interface PlannedPurchase extends PlainPurchase {
  readonly id: string;
  readonly plan: string;
}

export interface SelfIssuedCase {
  readonly kind: 'user' | 'namespace';
  readonly plan: string | null;
  readonly purchases: readonly PlannedPurchase[];
  readonly catalog: Pick<AuditedCatalog, 'unit_primitives' | 'backend_services'>;
  readonly enforce_license_types: boolean;
  readonly wanted: readonly string[] | null;
  readonly at: Date;
}

const LIFETIME_SECONDS = 3600;
const STRENGTH = new Map([
  ['duo_pro', 1],
  ['duo_enterprise', 2],
  ['duo_amazon_q', 3],
]);
const MAY_BE_ADDED = [
  ...['gitlab_namespace_id', 'gitlab_namespace_ids'],
  ...['gitlab_root_namespace_id', 'gitlab_project_id'],
  ...['skip_usage_cutoff', 'tool_access_policies'],
];

/** The auditor's own reading of the rules for users and namespaces of the platform. */
export function expectedSelfIssuedScopes(
  given: SelfIssuedCase,
): Pick<ExpectedScopes, 'scopes' | 'audiences'> {
  const running = given.purchases.filter((purchase) => isRunning(purchase, given.at));
  const best = Math.max(0, ...running.map(({ add_on }) => STRENGTH.get(add_on) ?? 0));
  const counts = ({ add_on }: PlannedPurchase) =>
    given.kind === 'user' || [undefined, best].includes(STRENGTH.get(add_on));
  const effective = running.filter(counts);
  const plans = given.kind === 'user' ? running.map(({ plan }) => plan) : [given.plan ?? ''];
  const granted = given.catalog.unit_primitives.filter((each) => {
    if (each.backend_services.length === 0) return false;
    if (given.wanted !== null && !given.wanted.includes(each.name)) return false;
    const fits = (plan: string) =>
      !given.enforce_license_types ||
      each.license_types.length === 0 ||
      each.license_types.includes(plan);
    const free = each.cut_off_date === null || Date.parse(each.cut_off_date) > given.at.getTime();
    if (free) return fits('') || plans.some(fits);
    return effective.some(({ add_on, plan }) => each.add_ons.includes(add_on) && fits(plan));
  });
  const reached = new Set(granted.flatMap((each) => each.backend_services));
  const audiences = given.catalog.backend_services
    .filter(({ name }) => reached.has(name))
    .map(({ jwt_aud }) => jwt_aud);
  return {
    scopes: granted.map(({ name }) => name).sort(),
    audiences: [...new Set(audiences)].sort(),
  };
}

/** The `exp` of a self-issued token that was issued at `at`, in seconds since 1970. */
export function selfIssuedExpiry(at: Date): number {
  return Math.floor(at.getTime() / 1000) + LIFETIME_SECONDS;
}

/**
 * SHA-256 of the payload that a self-issued token must have had: its members in the order iss, aud,
 * sub, iat, nbf, exp, jti, gitlab_realm, scopes, status, and the extra claims.
 */
export function expectedSelfIssuedDigest(
  { jti, sub, status_index }: { jti: string; sub: string; status_index: number | null },
  { scopes, audiences }: Pick<ExpectedScopes, 'scopes' | 'audiences'>,
  extra: Readonly<Record<string, unknown>>,
  policy: PlainPolicy,
  at: Date,
): Buffer | null {
  if (Object.keys(extra).some((name) => !MAY_BE_ADDED.includes(name))) return null;
  const second = Math.floor(at.getTime() / 1000);
  const status = status_index === null ? {} : { status: statusOf(policy.issuer, status_index) };
  const claims = {
    iss: policy.issuer,
    aud: audiences,
    sub,
    iat: second - (policy.issued_at_skew_seconds ?? 0),
    nbf: second - policy.not_before_skew_seconds,
    exp: selfIssuedExpiry(at),
    jti,
    gitlab_realm: 'saas',
    scopes,
    ...status,
    ...extra,
  };
  return createHash('sha256').update(JSON.stringify(claims)).digest();
}
