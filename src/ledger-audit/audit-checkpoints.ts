import type { Pool } from 'pg';
import type { CheckpointKeys } from './checkpoint-keys.js';
import type { CheckpointClaims } from './checkpoint-claims.js';
import type { Report } from './finding.js';

interface AuditedCheckpoint {
  readonly number: string;
  readonly previous: string | null;
  readonly hash_before: string | null;
  readonly batches: number;
  readonly tokens: string;
  readonly signed: string;
  readonly batches_there: number;
  readonly batches_hash: string;
  /** Whether a dropped day may have held some of its batches. */
  readonly dropped: boolean;
}

const PAGE = 50;

/** The database computes the hash of the batches, without the code that made the checkpoint. */
const CHECKPOINTS = `
  SELECT c.number, encode(c.previous_hash, 'hex') AS previous,
         encode(before.hash, 'hex') AS hash_before, c.batches, c.tokens, c.signed,
         covered.batches AS batches_there, covered.hash AS batches_hash,
         EXISTS (
           SELECT FROM ledger_dropped_days d
           WHERE c.number BETWEEN d.first_checkpoint AND d.last_checkpoint) AS dropped
  FROM ledger_checkpoints c
  LEFT JOIN ledger_checkpoints before ON before.number = c.number - 1
  CROSS JOIN LATERAL (
    SELECT count(*)::integer AS batches, encode(sha256(convert_to(coalesce(string_agg(
             format(E'["%s",%s,"%s"]\\n', chain_id, number, encode(hash, 'hex')), ''
             ORDER BY chain_id, number), ''), 'UTF8')), 'hex') AS hash
    FROM ledger_batches WHERE checkpoint_number = c.number
  ) covered
  WHERE c.number > $1 ORDER BY c.number LIMIT ${PAGE}`;

/** Checks every checkpoint after number `after`. @returns how many */
export async function auditCheckpoints(
  pool: Pick<Pool, 'query'>,
  keys: CheckpointKeys,
  report: Report,
  after = 0,
): Promise<number> {
  let audited = 0;
  let last = after;
  for (;;) {
    const { rows } = await pool.query<AuditedCheckpoint>(CHECKPOINTS, [last]);
    for (const row of rows) {
      for (const detail of await faultsOf(row, keys)) {
        report({ finding: 'CHECKPOINT_BROKEN', checkpoint: Number(row.number), detail });
      }
    }
    audited += rows.length;
    if (rows.length < PAGE) return audited;
    last = Number(rows.at(-1)?.number);
  }
}

async function faultsOf(row: AuditedCheckpoint, keys: CheckpointKeys): Promise<string[]> {
  const claims = (await keys.open(row.signed)) as CheckpointClaims | null;
  if (claims === null) return ['it was not signed by a key of ours'];
  const faults: string[] = [];
  const number = Number(row.number);
  if (
    row.previous !== row.hash_before ||
    claims.previous !== row.previous ||
    claims.number !== number
  ) {
    faults.push('it does not follow the checkpoint before it');
  }
  if (claims.batches !== row.batches || claims.tokens !== Number(row.tokens)) {
    faults.push('the number of batches or tokens in its row is not the signed one');
  }
  if (row.batches_there === claims.batches) {
    if (row.batches_hash !== claims.batches_hash) faults.push('a batch that it covers was changed');
  } else if (row.batches_there > claims.batches || !row.dropped) {
    faults.push(`it covers ${claims.batches} batches, and ${row.batches_there} exist`);
  }
  return faults;
}
