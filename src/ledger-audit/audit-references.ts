import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { BoundedCache } from './bounded-cache.js';
import { type AuditedCatalog, LONGEST_TTL_SECONDS, type PlainPolicy } from './expected-claims.js';
import type { ExpectedScopes } from './expected-scopes.js';
import type { Report } from './finding.js';

type ScopeSet = Pick<ExpectedScopes, 'scopes' | 'audiences'>;

/** The members of a catalog snapshot that the rules need. */
interface CatalogDocument {
  readonly unitPrimitives: readonly {
    readonly name: string;
    readonly cutOffDate: string | null;
    readonly minGitlabVersion: { readonly text: string } | null;
    readonly minGitlabVersionForFreeAccess: { readonly text: string } | null;
    readonly licenseTypes: readonly string[];
    readonly backendServices: readonly string[];
    readonly addOns: readonly string[];
  }[];
  readonly backendServices: readonly { readonly name: string; readonly jwtAud: string }[];
}

const REMEMBERED = 10_000;

/** What rows refer to by digest. Each document is checked against its digest when it is first read. */
export class AuditReferences {
  private readonly scopeSets = new BoundedCache<string, ScopeSet>(REMEMBERED);
  private readonly catalogs = new BoundedCache<string, AuditedCatalog | null>(100);
  private policies: ReadonlyMap<string, PlainPolicy> | null = null;

  constructor(
    private readonly pool: Pick<Pool, 'query'>,
    private readonly report: Report,
  ) {}

  /** The policy with this digest; for null, every policy that may ever have been in force. */
  async policiesOf(digest: Buffer | null): Promise<readonly PlainPolicy[]> {
    const key = digest?.toString('hex');
    // A replica that was started a moment ago may have recorded a new policy.
    if (!this.policies || (key !== undefined && !this.policies.has(key))) {
      this.policies = await this.readPolicies();
    }
    const policy = key === undefined ? undefined : this.policies.get(key);
    if (key === undefined) return [...this.policies.values()].filter(isPossible);
    return policy ? [policy] : [];
  }

  private async readPolicies(): Promise<ReadonlyMap<string, PlainPolicy>> {
    const sql = 'SELECT digest, document FROM policy_snapshots';
    const { rows } = await this.pool.query<{ digest: Buffer; document: PlainPolicy }>(sql);
    for (const { digest, document } of rows) {
      this.compare('policy', digest, policyJson(document));
    }
    return new Map(rows.map(({ digest, document }) => [digest.toString('hex'), document]));
  }

  /** Null when it is missing or was changed: a changed document need not even be a catalog. */
  async catalog(digest: Buffer): Promise<AuditedCatalog | null> {
    const key = digest.toString('hex');
    const known = this.catalogs.get(key);
    if (known !== undefined) return known;
    const sql = 'SELECT document FROM catalog_snapshots WHERE digest = $1';
    const { rows } = await this.pool.query<{ document: CatalogDocument }>(sql, [digest]);
    const [row] = rows;
    if (!row) return null;
    const kept = this.compare('catalog', digest, canonicalJson(row.document));
    const catalog = kept ? { ...plainCatalog(row.document), digest: key } : null;
    this.catalogs.set(key, catalog);
    return catalog;
  }

  async scopeSet(digest: Buffer): Promise<ScopeSet | null> {
    const key = digest.toString('hex');
    const known = this.scopeSets.get(key);
    if (known) return known;
    const sql = 'SELECT scopes, audiences FROM scope_sets WHERE digest = $1';
    const [row] = (await this.pool.query<ScopeSet>(sql, [digest])).rows;
    if (!row) return null;
    this.compare('scope set', digest, JSON.stringify([row.scopes, row.audiences]));
    this.scopeSets.set(key, row);
    return row;
  }

  private compare(what: string, digest: Buffer, text: string): boolean {
    if (createHash('sha256').update(text).digest().equals(digest)) return true;
    const detail = `the ${what} ${digest.toString('hex')} does not have this digest any more`;
    this.report({ finding: 'SNAPSHOT_CHANGED', detail });
    return false;
  }
}

/** A planted policy may have the right digest. This check bounds how long a token under it could live. */
function isPossible({ ttl_seconds }: PlainPolicy): boolean {
  return ttl_seconds <= LONGEST_TTL_SECONDS;
}

function plainCatalog({ unitPrimitives, backendServices }: CatalogDocument) {
  return {
    unit_primitives: unitPrimitives.map((each) => ({
      name: each.name,
      cut_off_date: each.cutOffDate,
      min_gitlab_version: each.minGitlabVersion?.text ?? null,
      min_gitlab_version_for_free_access: each.minGitlabVersionForFreeAccess?.text ?? null,
      license_types: each.licenseTypes,
      backend_services: each.backendServices,
      add_ons: each.addOns,
    })),
    backend_services: backendServices.map(({ name, jwtAud }) => ({ name, jwt_aud: jwtAud })),
  };
}

/** The text of the digest of a policy. The database does not keep the order of members. */
function policyJson(policy: PlainPolicy): string {
  const { issuer, ttl_seconds, not_before_skew_seconds, enforce_license_types } = policy;
  const { self_issued_instance_id, issued_at_skew_seconds } = policy;
  const first = { issuer, ttl_seconds, not_before_skew_seconds, enforce_license_types };
  // An undefined member is not written.
  return JSON.stringify({ ...first, self_issued_instance_id, issued_at_skew_seconds });
}

/** The text of the digest of a catalog: JSON with sorted members. */
function canonicalJson(document: unknown): string {
  return JSON.stringify(document, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
