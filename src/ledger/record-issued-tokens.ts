import type { Resolution } from '../domain/scope-decision.js';
import { preparedStatement } from '../database/prepared-statements.js';
import type { LedgerBatch } from './ledger-chain.js';

/** What the ledger stores about a token: everything but the token itself. */
export interface IssuedToken {
  readonly jti: string;
  /** Null for a self-issued token, as are instance and version. */
  readonly licenseId: string | null;
  /** The row of the instance, not the UUID that it sends. */
  readonly instanceRowId: string | null;
  readonly kid: string;
  readonly resolution: Pick<Resolution, 'scopes' | 'audiences'>;
  readonly gitlabVersion: string | null;
  readonly hostName: string | null;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** SHA-256 of the signed payload. */
  readonly claimsDigest: Buffer;
  /** Its place in the status lists; null when it is in none. */
  readonly statusIndex: number | null;
  /** The request for a self-issued token as JSON; null for the token of an instance. */
  readonly selfIssued: string | null;
}

export interface LedgerRow extends IssuedToken {
  readonly scopeSetDigest: Buffer;
  readonly catalogDigest: Buffer;
}

/**
 * Writes a batch in one statement, and so in one flush: the link of the chain, its rows, and the last
 * token of each instance.
 */
export const RECORD = preparedStatement(
  'record_issued_tokens',
  `
    WITH batch AS (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::bytea[],
                           $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bytea[],
                           $12::bigint[], $21::json[])
        AS b (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
              gitlab_version, host_name, issued_at, expires_at, claims_digest, status_index,
              self_issued)
    ), latest AS (
      SELECT DISTINCT ON (instance_id) instance_id, issued_at, gitlab_version, host_name,
             jti, expires_at, scope_set_digest
      FROM batch ORDER BY instance_id, issued_at DESC
    ), seen AS (
      UPDATE instances SET last_sync_at = greatest(last_sync_at, latest.issued_at),
        last_seen_at = greatest(last_seen_at, latest.issued_at),
        gitlab_version = latest.gitlab_version,
        host_name = coalesce(latest.host_name, instances.host_name),
        token_jti = latest.jti, token_expires_at = latest.expires_at,
        token_scope_set_digest = latest.scope_set_digest
      FROM latest WHERE instances.id = latest.instance_id
    ), link AS (
      INSERT INTO ledger_batches (chain_id, number, previous_hash, hash, tokens, first_jti, last_jti,
                                  policy_digest)
      VALUES ($13, $14, $15, $16, $17, $18, $19, $20)
    )
    INSERT INTO issued_tokens (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
                               gitlab_version, issued_at, expires_at, claims_digest, status_index,
                               chain_id, batch_number, self_issued)
    SELECT jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
           gitlab_version, issued_at, expires_at, claims_digest, status_index, $13, $14, self_issued
    FROM batch`,
);

/** The parameters of `RECORD`. */
export function recordValues(rows: readonly LedgerRow[], batch: LedgerBatch): unknown[] {
  return [
    rows.map(({ jti }) => jti),
    rows.map(({ licenseId }) => licenseId),
    rows.map(({ instanceRowId }) => instanceRowId),
    rows.map(({ kid }) => kid),
    rows.map(({ scopeSetDigest }) => scopeSetDigest),
    rows.map(({ catalogDigest }) => catalogDigest),
    rows.map(({ gitlabVersion }) => gitlabVersion),
    rows.map(({ hostName }) => hostName),
    rows.map(({ issuedAt }) => issuedAt.toISOString()),
    rows.map(({ expiresAt }) => expiresAt.toISOString()),
    rows.map(({ claimsDigest }) => claimsDigest),
    rows.map(({ statusIndex }) => statusIndex),
    batch.chainId,
    batch.number,
    batch.previousHash,
    batch.hash,
    batch.tokens,
    batch.firstJti,
    batch.lastJti,
    batch.policyDigest,
    rows.map(({ selfIssued }) => selfIssued),
  ];
}
