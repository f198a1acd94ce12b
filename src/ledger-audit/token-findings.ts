import type { AuditedRow } from './audited-rows.js';
import type { ExpectedScopes } from './expected-scopes.js';
import {
  type AuditedCatalog,
  expectedDigest,
  latestExpiry,
  type PlainPolicy,
  refusalOf,
  type RememberedScopes,
} from './expected-claims.js';
import type { FindingCode } from './finding.js';
import type { LicenseState } from './license-states.js';

/** The row of a token that an instance got. */
export type InstanceRow = AuditedRow & {
  readonly license_id: string;
  readonly instance_id: string;
  readonly gitlab_version: string;
};

/** The row of a token, and what the histories say about the time of its issue. */
export interface TokenFacts {
  readonly row: InstanceRow;
  /** The states of the license that the sync may have read. */
  readonly states: readonly LicenseState[];
  /** Whether the tokens of the license or the instance were revoked at that time. */
  readonly revoked: boolean;
  /** The policy that its batch names; all policies that ever were, if the batch is missing. */
  readonly policies: readonly PlainPolicy[];
  readonly catalog: AuditedCatalog | null;
  /** The scope set that the row names. */
  readonly recorded: Pick<ExpectedScopes, 'scopes' | 'audiences'> | null;
}

type ScopeSet = Pick<ExpectedScopes, 'scopes' | 'audiences'>;

export type TokenFinding = readonly [code: FindingCode, detail: string];

interface Reading {
  readonly state: LicenseState;
  readonly policy: PlainPolicy;
  readonly expected: ExpectedScopes;
}

/** Checks against the histories and the rules that the token should exist with these contents. */
export function tokenFindings(facts: TokenFacts, scopes: RememberedScopes): TokenFinding[] {
  const { row, states, catalog } = facts;
  if (row.sub === null || row.instance_license_id !== row.license_id) {
    return [['WRONG_INSTANCE', `instance ${row.instance_id} does not belong to the license`]];
  }
  if (facts.revoked)
    return [['NOT_ENTITLED', 'the tokens of its license or instance were revoked']];
  const refusals = states.map((state) => refusalOf(state, row.issued_at));
  const entitled = states.filter((_, index) => refusals[index] === null);
  if (entitled.length === 0) {
    return [['NOT_ENTITLED', refusals[0] ?? 'there was no such license']];
  }
  if (catalog === null) return [['SNAPSHOT_CHANGED', 'there is no snapshot of its catalog']];
  const readings = entitled.flatMap((state) =>
    facts.policies.map((policy) => {
      const enforce = policy.enforce_license_types;
      const expected = scopes.of(state, catalog, row.gitlab_version, enforce, row.issued_at);
      return { state, policy, expected };
    }),
  );
  return readings.length === 0 ? [] : findingsOf(facts, readings);
}

function findingsOf({ row, recorded }: TokenFacts, readings: readonly Reading[]): TokenFinding[] {
  const explained = readings.filter(({ expected }) => isSameScopeSet(expected, recorded));
  const found: TokenFinding[] = [];
  if (explained.length === 0) found.push(['UNEXPLAINED_SCOPES', difference(readings, recorded)]);
  const limits = readings.map(({ state, policy }) => latestExpiry(state, policy, row.issued_at));
  const latest = Math.max(...limits);
  if (row.expires_at.getTime() > latest * 1000) {
    const limit = new Date(latest * 1000).toISOString();
    found.push(['EXPIRES_TOO_LATE', `${row.expires_at.toISOString()}, and ${limit} was the limit`]);
  }
  if (found.length === 0 && !explained.some((reading) => hasTheseClaims(row, reading))) {
    found.push(['CLAIMS_DIFFER', 'the signed claims do not follow from its row']);
  }
  return found;
}

function hasTheseClaims(row: InstanceRow, { state, policy, expected }: Reading): boolean {
  const exp = latestExpiry(state, policy, row.issued_at);
  if (row.expires_at.getTime() !== exp * 1000) return false;
  const { jti } = row;
  const status_index = row.status_index === null ? null : Number(row.status_index);
  // Until an instance reports its own id, the id of its row stands for it.
  return [row.instance_id, row.unique_instance_id].some((uid) => {
    if (uid === null) return false;
    const identity = { jti, sub: row.sub ?? '', uid, status_index };
    return expectedDigest(identity, expected, policy, row.issued_at, exp).equals(row.claims_digest);
  });
}

export function isSameScopeSet(expected: ScopeSet, recorded: TokenFacts['recorded']): boolean {
  return (
    recorded !== null &&
    same(expected.scopes, recorded.scopes) &&
    same(expected.audiences, recorded.audiences)
  );
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}

export function difference(
  readings: readonly { readonly expected: ScopeSet }[],
  recorded: TokenFacts['recorded'],
): string {
  if (recorded === null) return 'the scope set that it names is missing';
  const [nearest] = readings;
  const expected = new Set(nearest?.expected.scopes ?? []);
  const actual = new Set(recorded.scopes);
  const more = recorded.scopes.filter((scope) => !expected.has(scope));
  const less = [...expected].filter((scope) => !actual.has(scope));
  return `excess scopes: ${listed(more)}; missing scopes: ${listed(less)}`;
}

function listed(scopes: readonly string[]): string {
  const shown = scopes.slice(0, 10).join(' ');
  if (scopes.length === 0) return 'none';
  return scopes.length > 10 ? `${shown} and ${scopes.length - 10} more` : shown;
}
