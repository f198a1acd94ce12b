import { Injectable } from '@nestjs/common';
import { type CalendarDay, dayOf } from '../domain/calendar-day.js';
import type { Resolution } from '../domain/scope-decision.js';
import type { Deadline } from '../platform/answer-deadline.js';
import { Database } from '../platform/database.js';
import { violatedConstraint } from '../platform/constraint-violation.js';
import { Metrics } from '../platform/metrics.js';
import { preparedStatement } from '../platform/prepared-statements.js';
import { SharedBatches } from '../platform/shared-batches.js';
import { IssuanceSnapshots } from './issuance-snapshots.js';
import { type LedgerBatch, LedgerChain } from './ledger-chain.js';
import { ScopeSets } from './scope-sets.js';

/** What the ledger keeps of a token: everything but the token. */
export interface IssuedToken {
  readonly jti: string;
  readonly licenseId: string;
  /** The row of the instance, not the UUID that it sends. */
  readonly instanceRowId: string;
  readonly kid: string;
  readonly resolution: Pick<Resolution, 'scopes' | 'audiences'>;
  readonly gitlabVersion: string;
  readonly hostName: string | null;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** SHA-256 of the signed payload. */
  readonly claimsDigest: Buffer;
  /** Its place among all tokens that status lists tell of; null when none tells of it. */
  readonly statusIndex: number | null;
}

/** The token was signed by a key that may not sign any more. */
export class KeyNotCurrentError extends Error {
  override readonly name = 'KeyNotCurrentError';
}

interface Row extends IssuedToken {
  readonly scopeSetDigest: Buffer;
  readonly catalogDigest: Buffer;
}

/** One at a time: a flush is a write to disk, and what waits for it shares the next. */
const BATCHES = { concurrent: 1, items: 500 };
const DAYS_AHEAD = 8;
const DEADLOCK_DETECTED = '40P01';
const CHECK_VIOLATION = '23514';
const LOST_REFERENCES = new Set([
  'issued_tokens_references_check',
  'ledger_batches_policy_digest_fkey',
]);

/**
 * One statement, one flush: the batch as a link of its chain, its rows, and what each instance was
 * last seen with.
 */
const RECORD = preparedStatement(
  'record_issued_tokens',
  `
    WITH batch AS (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::bytea[],
                           $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bytea[],
                           $12::bigint[])
        AS b (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
              gitlab_version, host_name, issued_at, expires_at, claims_digest, status_index)
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
                               chain_id, batch_number)
    SELECT jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
           gitlab_version, issued_at, expires_at, claims_digest, status_index, $13, $14
    FROM batch`,
);

/**
 * Records issued tokens, durably, before they leave. Requests that come together share a flush: under
 * load many rows cost one write to disk.
 */
@Injectable()
export class IssuanceLedger {
  private readonly flushes = new SharedBatches<Row, undefined>((rows) => this.write(rows), BATCHES);
  private readonly chain = new LedgerChain();

  constructor(
    private readonly database: Database,
    private readonly scopeSets: ScopeSets,
    private readonly snapshots: IssuanceSnapshots,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Resolves once the row is committed.
   * @throws {KeyNotCurrentError} when a rotation came first; nothing was written
   */
  async record(token: IssuedToken, deadline: Deadline): Promise<void> {
    const scopeSetDigest = await this.scopeSets.digestOf(token.resolution);
    const { catalogDigest } = this.snapshots;
    await this.flushes.add({ ...token, scopeSetDigest, catalogDigest }, deadline);
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
  private async write(rows: readonly Row[]): Promise<undefined[]> {
    this.metrics.ledgerBatchRows.observe(rows.length);
    for (const sameDay of byDay(rows)) await this.writeBatch(sameDay);
    return rows.map(() => undefined);
  }

  private async writeBatch(rows: readonly Row[]): Promise<void> {
    const [first] = rows;
    if (!first) return;
    const batch = this.chain.next(rows, this.snapshots.policyDigest, first.issuedAt);
    try {
      await this.writeMending(rows, batch);
      this.chain.advance(batch);
    } catch (error) {
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
    if (!(error instanceof Error)) return false;
    // Two replicas that update the same instances in opposite order: one of them is told to repeat.
    const code: unknown = Reflect.get(error, 'code');
    if (code === DEADLOCK_DETECTED) return true;
    const constraint = violatedConstraint(error);
    if (constraint !== null && LOST_REFERENCES.has(constraint)) return this.recordReferences(rows);
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
    const values = [
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
    ];
    await this.database.prepared.run(RECORD, values);
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
