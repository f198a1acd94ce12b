import { createHash, type Hash } from 'node:crypto';
import { type AuditedBatch, type AuditedRow, batchKey } from './audited-rows.js';
import type { UnconfirmedFindings } from './unconfirmed-findings.js';

interface Open {
  readonly batch: AuditedBatch;
  readonly hash: Hash;
  rows: number;
}

/**
 * Recomputes the hash of each batch from its rows, which must come in the order of their `jti`. A batch
 * is judged once its last row must have come. A batch that begins before `from` is left out.
 */
export class BatchFindings {
  private readonly open = new Map<string, Open>();

  constructor(
    private readonly from: string,
    private readonly unconfirmed: UnconfirmedFindings,
  ) {}

  take(row: AuditedRow, batch: AuditedBatch): void {
    if (row.jti < batch.first_jti || row.jti > batch.last_jti) {
      this.suspect(batch, `token ${row.jti} names it and lies outside of it`);
    } else if (batch.first_jti >= this.from) {
      const open = this.openOf(batch);
      open.hash.update(lineOf(row));
      open.rows += 1;
    }
  }

  /** Judges every batch that ends at `jti` or before. */
  passed(jti: string): void {
    for (const [key, { batch, hash, rows }] of this.open) {
      if (batch.last_jti > jti) continue;
      this.open.delete(key);
      if (rows !== batch.tokens) this.suspect(batch, `it has ${rows} rows of ${batch.tokens}`);
      else if (!hash.digest().equals(batch.hash)) this.suspect(batch, 'a row of it was changed');
    }
  }

  private openOf(batch: AuditedBatch): Open {
    const key = batchKey(batch.chain_id, batch.number);
    const open = this.open.get(key);
    if (open) return open;
    const hash = createHash('sha256').update(batch.previous_hash).update(batch.policy_digest);
    const opened = { batch, hash, rows: 0 };
    this.open.set(key, opened);
    return opened;
  }

  private suspect({ chain_id, number, first_jti, last_jti }: AuditedBatch, detail: string): void {
    const batch = batchKey(chain_id, number);
    this.unconfirmed.add({ finding: 'ROW_MISSING_OR_CHANGED', batch, detail }, first_jti, last_jti);
  }
}

/** The line of JSON that the ledger hashes for a row; see `batchHash` in `ledger/ledger-chain.ts`. */
function lineOf(row: AuditedRow): string {
  const digests = [row.scope_set_digest, row.catalog_digest].map((one) => one.toString('hex'));
  const [issuedAt, expiresAt] = [row.issued_at.toISOString(), row.expires_at.toISOString()];
  const members = [
    ...[row.jti, row.license_id, row.instance_id, row.kid, ...digests, row.gitlab_version],
    ...[issuedAt, expiresAt, row.claims_digest.toString('hex')],
    row.status_index === null ? null : Number(row.status_index),
    row.self_issued,
  ];
  return `${JSON.stringify(members)}\n`;
}
