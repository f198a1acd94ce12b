import type { AuditedRow } from './audited-rows.js';
import type { AuditedCatalog, PlainPolicy } from './expected-claims.js';
import type { ExpectedScopes } from './expected-scopes.js';
import {
  expectedSelfIssuedDigest,
  expectedSelfIssuedScopes,
  selfIssuedExpiry,
} from './expected-self-issued.js';
import type { SelfIssuedRequest, SelfIssuedState } from './self-issued-states.js';
import { difference, isSameScopeSet, type TokenFinding } from './token-findings.js';

/** The row of a self-issued token, and what the histories say about the time of its issue. */
export interface SelfIssuedFacts {
  readonly row: AuditedRow;
  readonly request: SelfIssuedRequest;
  readonly states: readonly SelfIssuedState[];
  readonly policies: readonly PlainPolicy[];
  readonly catalog: AuditedCatalog | null;
  readonly recorded: Pick<ExpectedScopes, 'scopes' | 'audiences'> | null;
}

/** Checks against the histories and the rules that the token should exist with these contents. */
export function selfIssuedFindings(facts: SelfIssuedFacts): TokenFinding[] {
  const { request, catalog, recorded } = facts;
  if ((request.user === undefined) === (request.namespace === undefined)) {
    return [['NOT_ENTITLED', 'it is not for one user or one namespace']];
  }
  if (catalog === null) return [['SNAPSHOT_CHANGED', 'there is no snapshot of its catalog']];
  const policies = facts.policies.flatMap((policy) => {
    const sub = policy.self_issued_instance_id;
    return sub === null ? [] : [{ ...policy, sub }];
  });
  if (policies.length === 0) {
    return [['NOT_ENTITLED', 'self-issued tokens were off under the policy of its batch']];
  }
  return findingsOf(facts, readingsOf(facts, catalog, policies), recorded);
}

interface Reading {
  readonly policy: PlainPolicy & { readonly sub: string };
  readonly expected: Pick<ExpectedScopes, 'scopes' | 'audiences'>;
}

function readingsOf(
  { row, request, states }: SelfIssuedFacts,
  catalog: AuditedCatalog,
  policies: readonly Reading['policy'][],
): Reading[] {
  const asked = { wanted: request.unit_primitives ?? null, at: row.issued_at };
  return policies.flatMap((policy) =>
    states.map((state) => {
      const { enforce_license_types } = policy;
      const given = { ...state, catalog, enforce_license_types, ...asked };
      return { policy, expected: expectedSelfIssuedScopes(given) };
    }),
  );
}

function findingsOf(
  { row, request }: SelfIssuedFacts,
  readings: readonly Reading[],
  recorded: SelfIssuedFacts['recorded'],
): TokenFinding[] {
  const explained = readings.filter(({ expected }) => isSameScopeSet(expected, recorded));
  const found: TokenFinding[] = [];
  if (explained.length === 0) found.push(['UNEXPLAINED_SCOPES', difference(readings, recorded)]);
  const exp = new Date(selfIssuedExpiry(row.issued_at) * 1000);
  if (row.expires_at > exp) {
    const detail = `${row.expires_at.toISOString()}, and ${exp.toISOString()} was the limit`;
    found.push(['EXPIRES_TOO_LATE', detail]);
  }
  const endsThen = row.expires_at.getTime() === exp.getTime();
  const agrees = endsThen && explained.some((reading) => hasTheseClaims(row, request, reading));
  if (found.length === 0 && !agrees) {
    found.push(['CLAIMS_DIFFER', 'the signed claims do not follow from its row']);
  }
  return found;
}

function hasTheseClaims(row: AuditedRow, request: SelfIssuedRequest, reading: Reading): boolean {
  const { policy, expected } = reading;
  const status_index = row.status_index === null ? null : Number(row.status_index);
  const identity = { jti: row.jti, sub: policy.sub, status_index };
  const extra = request.extra_claims ?? {};
  const digest = expectedSelfIssuedDigest(identity, expected, extra, policy, row.issued_at);
  return digest?.equals(row.claims_digest) === true;
}
