import type { Pool } from 'pg';
import type { CheckpointKeys } from './checkpoint-keys.js';

/** The ledger, and the keys that verify its checkpoints and notes. */
export interface AuditedLedger {
  readonly pool: Pick<Pool, 'query'>;
  readonly keys: CheckpointKeys;
  /** Later instants were written with a clock that was ahead. */
  readonly now: Date;
}

/** A row of the ledger with what it refers to. */
export interface AuditedRow {
  readonly jti: string;
  /** These two and the version are null for a self-issued token. */
  readonly license_id: string | null;
  readonly instance_id: string | null;
  readonly kid: string;
  readonly scope_set_digest: Buffer;
  readonly catalog_digest: Buffer;
  readonly gitlab_version: string | null;
  readonly issued_at: Date;
  readonly expires_at: Date;
  readonly claims_digest: Buffer;
  readonly status_index: string | null;
  /** The request for a self-issued token as JSON; null for the token of an instance. */
  readonly self_issued: string | null;
  readonly chain_id: string;
  readonly batch_number: number;
  /** These three are null when there is no such instance. */
  readonly instance_license_id: string | null;
  readonly sub: string | null;
  readonly unique_instance_id: string | null;
}

export interface AuditedBatch {
  readonly chain_id: string;
  readonly number: number;
  readonly previous_hash: Buffer;
  readonly hash: Buffer;
  readonly tokens: number;
  readonly first_jti: string;
  readonly last_jti: string;
  readonly policy_digest: Buffer;
  readonly checkpoint_number: string | null;
}

const ROWS = `
  SELECT t.*, i.license_id AS instance_license_id, i.instance_uuid AS sub, i.unique_instance_id
  FROM (
    SELECT jti, license_id, instance_id, kid, scope_set_digest, catalog_digest, gitlab_version,
           issued_at, expires_at, claims_digest, status_index, self_issued::text, chain_id,
           batch_number
    FROM issued_tokens WHERE jti >= $1 AND jti < $2 AND jti > $3 ORDER BY jti LIMIT $4
  ) t
  LEFT JOIN LATERAL (
    SELECT license_id, instance_uuid, unique_instance_id FROM instances WHERE id = t.instance_id
  ) i ON true
  ORDER BY t.jti`;

const BATCHES = `
  SELECT b.* FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::integer[])) AS asked (chain_id, number)
  JOIN ledger_batches b USING (chain_id, number)`;

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** The rows from `from` up to `to`, which is not among them, in pages by `jti`. */
export async function* pagesOfRows(
  pool: Pick<Pool, 'query'>,
  { from, to }: { readonly from: string; readonly to: string },
  pageSize: number,
): AsyncGenerator<readonly AuditedRow[]> {
  let after = BEFORE_ALL;
  for (;;) {
    const { rows } = await pool.query<AuditedRow>(ROWS, [from, to, after, pageSize]);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (!last || rows.length < pageSize) return;
    after = last.jti;
  }
}

/** The batches that these rows name, by `batchKey`. */
export async function batchesOf(
  pool: Pick<Pool, 'query'>,
  rows: readonly AuditedRow[],
): Promise<Map<string, AuditedBatch>> {
  const { rows: batches } = await pool.query<AuditedBatch>(BATCHES, [
    rows.map(({ chain_id }) => chain_id),
    rows.map(({ batch_number }) => batch_number),
  ]);
  return new Map(batches.map((batch) => [batchKey(batch.chain_id, batch.number), batch]));
}

export function batchKey(chainId: string, number: number): string {
  return `${chainId}/${number}`;
}
