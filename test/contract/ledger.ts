import { Client, type QueryResultRow } from 'pg';
import type { TestIssuer } from '../support/test-issuer.js';

/** What the ledger keeps of one token. */
export interface LedgerRow {
  readonly jti: string;
  readonly license_id: string;
  readonly kid: string;
  readonly gitlab_version: string;
  readonly issued_at: Date;
  readonly expires_at: Date;
  readonly claims_digest: Buffer;
  readonly catalog_digest: Buffer;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly instance_uuid: string;
  readonly host_name: string | null;
}

/** The rows of the ledger with what they refer to, the oldest first. */
export async function ledgerRows(issuer: TestIssuer): Promise<LedgerRow[]> {
  return select<LedgerRow>(
    issuer,
    `SELECT t.jti, t.license_id, t.kid, t.gitlab_version, t.issued_at, t.expires_at,
            t.claims_digest, t.catalog_digest, s.scopes, s.audiences, i.instance_uuid, i.host_name
     FROM issued_tokens t
     JOIN scope_sets s ON s.digest = t.scope_set_digest
     JOIN instances i ON i.id = t.instance_id
     ORDER BY t.jti`,
  );
}

/** How many tokens the ledger knows. */
export async function ledgerSize(issuer: TestIssuer): Promise<number> {
  const [row] = await select<{ n: number }>(issuer, 'SELECT count(*)::int AS n FROM issued_tokens');
  return row?.n ?? 0;
}

/** A question to the issuer's database, past the issuer. */
export async function select<Row extends QueryResultRow>(
  issuer: TestIssuer,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: issuer.database.url });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(sql, [...values]);
    return rows;
  } finally {
    await client.end();
  }
}
