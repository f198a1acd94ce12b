import { Injectable } from '@nestjs/common';
import { codeOf } from '../platform/error-code.js';
import { type CalendarDay, dayOf } from '../domain/calendar-day.js';
import type { Deadline } from '../database/deadline.js';
import { Database } from '../database/database.js';
import { detailOfViolation, violatedConstraint } from '../database/constraint-violation.js';
import { SharedBatches } from '../database/shared-batches.js';
import { IssuanceSnapshots } from './issuance-snapshots.js';
import { type LedgerBatch, LedgerChain } from './ledger-chain.js';
import { type IssuedToken, RECORD, recordValues, type Row } from './record-issued-tokens.js';
import { LedgerMetrics } from './ledger-metrics.js';
import { ScopeSets } from './scope-sets.js';

/** The token was signed by a key that may not sign any more. */
export class KeyNotCurrentError extends Error {
  override readonly name = 'KeyNotCurrentError';
}

/** The license or the instance has had its tokens revoked: it gets none until that is lifted. */
export class TokensRevokedError extends Error {
  override readonly name = 'TokensRevokedError';
}

type Outcome = 'recorded' | 'revoked';

/** One at a time: a flush is a write to disk, and what waits for it shares the next. */
const BATCHES = { concurrent: 1, items: 500 };
const DAYS_AHEAD = 8;
const DEADLOCK_DETECTED = '40P01';
const CHECK_VIOLATION = '23514';
const REVOKED = 'issued_tokens_revoked_check';

/**
 * Records issued tokens, durably, before they leave. Requests that come together share a flush: under
 * load many rows cost one write to disk.
 */
@Injectable()
export class IssuanceLedger {
  private readonly flushes = new SharedBatches<Row, Outcome>((rows) => this.write(rows), BATCHES);
  private readonly chain = new LedgerChain();

  constructor(
    private readonly database: Database,
    private readonly scopeSets: ScopeSets,
    private readonly snapshots: IssuanceSnapshots,
    private readonly metrics: LedgerMetrics,
  ) {}

  /**
   * Resolves once the row is committed.
   * @throws {KeyNotCurrentError} when a rotation came first; nothing was written
   * @throws {TokensRevokedError} when a revocation came first; the row was not written
   */
  async record(token: IssuedToken, deadline: Deadline): Promise<void> {
    const scopeSetDigest = await this.scopeSets.digestOf(token.resolution);
    const { catalogDigest } = this.snapshots;
    const row = { ...token, scopeSetDigest, catalogDigest };
    const outcome = await this.flushes.add(row, deadline);
    if (outcome === 'revoked') throw new TokensRevokedError('its tokens were revoked');
  }

  /** Makes the partitions of today and the days to come, so that no sync has to wait for one. */
  async createPartitionsAhead(now: Date): Promise<void> {
    await this.createPartitions(dayOf(now), DAYS_AHEAD);
  }

  private async createPartitions(day: CalendarDay, days: number): Promise<void> {
    await this.database.pool.query(
      `SELECT create_issued_tokens_partition($1::date + n) FROM generate_series(0, $2::int - 1) n`,
      [day, days],
    );
  }

  /** A batch lies in one day, whose rows are dropped together one day. */
  private async write(rows: readonly Row[]): Promise<Outcome[]> {
    this.metrics.batchRows.observe(rows.length);
    const revoked = new Set<string>();
    for (const sameDay of byDay(rows)) await this.writeUnrevoked(sameDay, revoked);
    return rows.map(({ jti }) => (revoked.has(jti) ? 'revoked' : 'recorded'));
  }

  /** Writes what the database does not refuse as revoked, and adds the rest to `revoked`. */
  private async writeUnrevoked(rows: readonly Row[], revoked: Set<string>): Promise<void> {
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

  /** All or nothing. @returns the tokens for which it was refused, as their owner has none any more */
  private async writeBatch(rows: readonly Row[]): Promise<readonly string[]> {
    const [first] = rows;
    if (!first) return [];
    const batch = this.chain.next(rows, this.snapshots.policyDigest, first.issuedAt);
    try {
      await this.writeMending(rows, batch);
      this.chain.advance(batch);
      return [];
    } catch (error) {
      if (violatedConstraint(error) === REVOKED) return detailOfViolation(error).split(' ');
      // An answer that did not come may have been a yes.
      this.chain.abandon();
      throw error;
    }
  }

  private async writeMending(rows: readonly Row[], batch: LedgerBatch): Promise<void> {
    try {
      await this.metrics.timeStatement('record_issued_tokens', () => this.writeOnce(rows, batch));
    } catch (error) {
      if (violatedConstraint(error) === 'issued_tokens_kid_current_check') {
        throw new KeyNotCurrentError('the signing key was rotated', { cause: error });
      }
      if (!(await this.mended(error, rows))) throw error;
      await this.writeOnce(rows, batch);
    }
  }

  /** Whether the same write may succeed now: nothing of it was kept. */
  private async mended(error: unknown, rows: readonly Row[]): Promise<boolean> {
    // Two replicas that update the same instances in opposite order: one of them is told to repeat.
    const code = codeOf(error);
    if (code === DEADLOCK_DETECTED) return true;
    const constraint = violatedConstraint(error);
    if (constraint === 'issued_tokens_references_check') return this.recordReferences(rows);
    // A row that no partition takes violates a check that has no name.
    if (code !== CHECK_VIOLATION || constraint !== null) return false;
    for (const day of new Set(rows.map(({ issuedAt }) => dayOf(issuedAt)))) {
      await this.createPartitions(day, 1);
    }
    return true;
  }

  /** Says again what a database that was set back has lost since this process said it. */
  private async recordReferences(rows: readonly Row[]): Promise<true> {
    this.scopeSets.forget();
    await this.snapshots.recordCurrent();
    for (const { resolution } of rows) await this.scopeSets.digestOf(resolution);
    return true;
  }

  private async writeOnce(rows: readonly Row[], batch: LedgerBatch): Promise<void> {
    await this.database.prepared.run(RECORD, recordValues(rows, batch));
  }
}

function byDay(rows: readonly Row[]): Iterable<readonly Row[]> {
  const days = new Map<CalendarDay, Row[]>();
  for (const row of rows) {
    const day = dayOf(row.issuedAt);
    const sameDay = days.get(day);
    if (sameDay) sameDay.push(row);
    else days.set(day, [row]);
  }
  return days.values();
}
