import { Injectable } from '@nestjs/common';
import { codeOf } from '../platform/code-of.js';
import { type CalendarDay, dayOf } from '../domain/calendar-day.js';
import type { Deadline } from '../database/deadline.js';
import { Database } from '../database/database.js';
import { detailOfViolation, violatedConstraint } from '../database/constraint-violation.js';
import { SharedBatches } from '../database/shared-batches.js';
import { IssuanceSnapshots } from './issuance-snapshots.js';
import { type LedgerBatch, LedgerChain } from './ledger-chain.js';
import { type IssuedToken, RECORD, recordValues, type LedgerRow } from './record-issued-tokens.js';
import { LedgerMetrics } from './ledger-metrics.js';
import { ScopeSets } from './scope-sets.js';

/** The token was signed by a key that is no longer current. */
export class KeyNotCurrentError extends Error {
  override readonly name = 'KeyNotCurrentError';
}

/** The tokens of the license or the instance are revoked. It gets no token until they are restored. */
export class TokensRevokedError extends Error {
  override readonly name = 'TokensRevokedError';
}

type Outcome = 'recorded' | 'revoked';

/** One flush at a time, because each is a write to disk. Rows that come meanwhile share the next flush. */
const BATCHES = { concurrent: 1, items: 500 };
const DAYS_AHEAD = 8;
const CHECK_VIOLATION = '23514';
const REVOKED = 'issued_tokens_revoked_check';

export const CREATE_PARTITIONS_EVERY_MS = 3_600_000;

/**
 * Records tokens durably before they leave the service. Requests that come together share a flush, so
 * under load many rows cost one write to disk.
 */
@Injectable()
export class IssuanceLedger {
  private readonly flushes = new SharedBatches<LedgerRow, Outcome>(
    (rows) => this.write(rows),
    BATCHES,
  );
  private readonly chain = new LedgerChain();

  constructor(
    private readonly database: Database,
    private readonly scopeSets: ScopeSets,
    private readonly snapshots: IssuanceSnapshots,
    private readonly metrics: LedgerMetrics,
  ) {}

  /**
   * Resolves once the row is committed.
   * @throws {KeyNotCurrentError} when the keys were switched first; nothing was written
   * @throws {TokensRevokedError} when a revocation came first; the row was not written
   */
  async record(token: IssuedToken, deadline: Deadline): Promise<void> {
    const scopeSetDigest = await this.scopeSets.digestOf(token.resolution);
    const { catalogDigest } = this.snapshots;
    const row = { ...token, scopeSetDigest, catalogDigest };
    const outcome = await this.flushes.add(row, deadline);
    if (outcome === 'revoked')
      throw new TokensRevokedError('the tokens of this license or instance are revoked');
  }

  /** Makes the partitions of today and the next days, so that no sync has to wait for one. */
  async createPartitionsAhead(now: Date): Promise<void> {
    await this.createPartitions(dayOf(now), DAYS_AHEAD);
  }

  private async createPartitions(day: CalendarDay, days: number): Promise<void> {
    await this.database.pool.query(
      `SELECT create_issued_tokens_partition($1::date + n) FROM generate_series(0, $2::int - 1) n`,
      [day, days],
    );
  }

  /** A batch lies within one day, because days are dropped as a whole. */
  private async write(rows: readonly LedgerRow[]): Promise<Outcome[]> {
    this.metrics.batchRows.observe(rows.length);
    const revoked = new Set<string>();
    for (const sameDay of byDay(rows)) await this.writeUnrevoked(sameDay, revoked);
    return rows.map(({ jti }) => (revoked.has(jti) ? 'revoked' : 'recorded'));
  }

  /** Writes the rows that the database does not refuse as revoked, and adds the others to `revoked`. */
  private async writeUnrevoked(rows: readonly LedgerRow[], revoked: Set<string>): Promise<void> {
    let left = rows;
    while (left.length > 0) {
      const refused = await this.writeBatch(left);
      if (refused.length === 0) return;
      for (const jti of refused) revoked.add(jti);
      const rest = left.filter(({ jti }) => !revoked.has(jti));
      if (rest.length === left.length) throw new Error('a refused batch names none of its tokens');
      left = rest;
    }
  }

  /** Writes all rows or none. @returns the tokens that are revoked, for which the batch was refused */
  private async writeBatch(rows: readonly LedgerRow[]): Promise<readonly string[]> {
    const [first] = rows;
    if (!first) return [];
    const batch = this.chain.next(rows, this.snapshots.policyDigest, first.issuedAt);
    try {
      await this.writeWithRepair(rows, batch);
      this.chain.advance(batch);
      return [];
    } catch (error) {
      if (violatedConstraint(error) === REVOKED) return detailOfViolation(error).split(' ');
      // When no answer came, the batch may still have been written.
      this.chain.abandon();
      throw error;
    }
  }

  private async writeWithRepair(rows: readonly LedgerRow[], batch: LedgerBatch): Promise<void> {
    try {
      await this.metrics.timeStatement('record_issued_tokens', () => this.writeOnce(rows, batch));
    } catch (error) {
      if (violatedConstraint(error) === 'issued_tokens_kid_current_check') {
        throw new KeyNotCurrentError('the signing key is no longer current', { cause: error });
      }
      if (!(await this.repaired(error, rows))) throw error;
      await this.writeOnce(rows, batch);
    }
  }

  /** Removes what made a write fail, if possible. @returns whether the same write may succeed now */
  private async repaired(error: unknown, rows: readonly LedgerRow[]): Promise<boolean> {
    const constraint = violatedConstraint(error);
    if (constraint === 'issued_tokens_references_check') return this.recordReferences(rows);
    // A row without a partition violates a check that has no name.
    if (codeOf(error) !== CHECK_VIOLATION || constraint !== null) return false;
    for (const day of new Set(rows.map(({ issuedAt }) => dayOf(issuedAt)))) {
      await this.createPartitions(day, 1);
    }
    return true;
  }

  /** Writes scope sets, catalog and policy snapshots again. A restored backup may lack them. */
  private async recordReferences(rows: readonly LedgerRow[]): Promise<true> {
    this.scopeSets.forget();
    await this.snapshots.recordCurrent();
    for (const { resolution } of rows) await this.scopeSets.digestOf(resolution);
    return true;
  }

  private async writeOnce(rows: readonly LedgerRow[], batch: LedgerBatch): Promise<void> {
    await this.database.prepared.run(RECORD, recordValues(rows, batch));
  }
}

function byDay(rows: readonly LedgerRow[]): Iterable<readonly LedgerRow[]> {
  const days = new Map<CalendarDay, LedgerRow[]>();
  for (const row of rows) {
    const day = dayOf(row.issuedAt);
    const sameDay = days.get(day);
    if (sameDay) sameDay.push(row);
    else days.set(day, [row]);
  }
  return days.values();
}
