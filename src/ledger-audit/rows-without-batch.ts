import type { AuditedLedger, AuditedRow } from './audited-rows.js';
import type { CheckpointClaims } from './checkpoint-claims.js';
import { millisecondsOf } from './jti-range.js';

/** No checkpoint covers more; see `LedgerCheckpoints`. */
const MAX_BATCHES = 10_000;
/** For so long after the first checkpoint replicas of the version before the chain may still run. */
const UPGRADE_MS = 3_600_000;

/**
 * The first token of the oldest batch. It is looked for among the batches of the first checkpoint that
 * has any left, which an index finds.
 */
const FIRST_CHAINED = `
  SELECT first_jti FROM (
    SELECT first_jti FROM ledger_batches
    ORDER BY checkpoint_number, chain_id, number LIMIT ${MAX_BATCHES}
  ) oldest ORDER BY first_jti LIMIT 1`;

/** A database that the version with the chain has made has auxiliary keys for as long as signing keys. */
const IS_UPGRADED = `
  SELECT coalesce((SELECT min(published_at) FROM signing_keys) + interval '1 minute'
                    < (SELECT min(published_at) FROM auxiliary_keys), false) AS upgraded,
         (SELECT signed FROM ledger_checkpoints WHERE number = 1) AS first_checkpoint`;

/** `upgrade`: of a replica that was still to be replaced, so its configuration is known. */
export type Excuse = 'before' | 'upgrade';

/** Which rows have no batch because the version that wrote them had none. */
export class RowsWithoutBatch {
  private constructor(
    private readonly upgraded: boolean,
    private readonly firstChained: string | null,
    private readonly upgradeEnds: number,
  ) {}

  static async read({ pool, keys }: AuditedLedger): Promise<RowsWithoutBatch> {
    const [first] = (await pool.query<{ first_jti: string }>(FIRST_CHAINED)).rows;
    const [known] = (
      await pool.query<{ upgraded: boolean; first_checkpoint: string | null }>(IS_UPGRADED)
    ).rows;
    const signed = known?.first_checkpoint ?? null;
    // Signed, so that nobody who can only write to the database moves the end of the upgrade.
    const claims = signed === null ? null : ((await keys.open(signed)) as CheckpointClaims | null);
    const begun = claims?.number === 1 ? claims.iat * 1000 : Number.NEGATIVE_INFINITY;
    return new RowsWithoutBatch(
      known?.upgraded ?? false,
      first?.first_jti ?? null,
      begun + UPGRADE_MS,
    );
  }

  /** Null when it is to have a batch. That version knew neither status lists nor self-issued tokens. */
  excuse(row: Pick<AuditedRow, 'jti' | 'status_index' | 'self_issued'>): Excuse | null {
    if (!this.upgraded || row.status_index !== null || row.self_issued !== null) return null;
    if (this.firstChained === null || row.jti < this.firstChained) return 'before';
    return millisecondsOf(row.jti) < this.upgradeEnds ? 'upgrade' : null;
  }
}
