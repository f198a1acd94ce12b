import { Injectable } from '@nestjs/common';
import { type CalendarDay, dayOf } from '../domain/calendar-day.js';
import type { Resolution } from '../domain/scope-decision.js';
import type { Deadline } from '../platform/answer-deadline.js';
import { Database } from '../platform/database.js';
import { violatedConstraint } from '../platform/constraint-violation.js';
import { Metrics } from '../platform/metrics.js';
import { preparedStatement } from '../platform/prepared-statements.js';
import { SharedBatches } from '../platform/shared-batches.js';
import { CatalogSnapshots } from './catalog-snapshots.js';
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
}

/** The token was signed by a key that may not sign any more. */
export class KeyNotCurrentError extends Error {
  override readonly name = 'KeyNotCurrentError';
}

interface Row extends IssuedToken {
  readonly scopeSetDigest: Buffer;
}

/** One at a time: a flush is a write to disk, and what waits for it shares the next. */
const BATCHES = { concurrent: 1, items: 500 };
const DAYS_AHEAD = 8;
const DEADLOCK_DETECTED = '40P01';
const CHECK_VIOLATION = '23514';

/** One statement, one flush: the rows of the batch, and what each instance was last seen with. */
const RECORD = preparedStatement(
  'record_issued_tokens',
  `
    WITH batch AS (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::bytea[],
                           $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bytea[])
        AS b (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
              gitlab_version, host_name, issued_at, expires_at, claims_digest)
    ), latest AS (
      SELECT DISTINCT ON (instance_id) instance_id, issued_at, gitlab_version, host_name
      FROM batch ORDER BY instance_id, issued_at DESC
    ), seen AS (
      UPDATE instances SET last_sync_at = greatest(last_sync_at, latest.issued_at),
        last_seen_at = greatest(last_seen_at, latest.issued_at),
        gitlab_version = latest.gitlab_version,
        host_name = coalesce(latest.host_name, instances.host_name)
      FROM latest WHERE instances.id = latest.instance_id
    )
    INSERT INTO issued_tokens (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
                               gitlab_version, issued_at, expires_at, claims_digest)
    SELECT jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
           gitlab_version, issued_at, expires_at, claims_digest
    FROM batch`,
);

/**
 * Records issued tokens, durably, before they leave. Requests that come together share a flush: under
 * load many rows cost one write to disk.
 */
@Injectable()
export class IssuanceLedger {
  private readonly flushes = new SharedBatches<Row, undefined>((rows) => this.write(rows), BATCHES);

  constructor(
    private readonly database: Database,
    private readonly scopeSets: ScopeSets,
    private readonly catalogs: CatalogSnapshots,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Resolves once the row is committed.
   * @throws {KeyNotCurrentError} when a rotation came first; nothing was written
   */
  async record(token: IssuedToken, deadline: Deadline): Promise<void> {
    const scopeSetDigest = await this.scopeSets.digestOf(token.resolution);
    await this.flushes.add({ ...token, scopeSetDigest }, deadline);
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

  private async write(rows: readonly Row[]): Promise<undefined[]> {
    this.metrics.ledgerBatchRows.observe(rows.length);
    try {
      await this.metrics.timeStatement('record_issued_tokens', () => this.writeOnce(rows));
    } catch (error) {
      if (violatedConstraint(error) === 'issued_tokens_kid_current_check') {
        throw new KeyNotCurrentError('the signing key was rotated', { cause: error });
      }
      if (!(await this.mended(error, rows))) throw error;
      await this.writeOnce(rows);
    }
    return rows.map(() => undefined);
  }

  /** Whether the same write may succeed now: nothing of it was kept. */
  private async mended(error: unknown, rows: readonly Row[]): Promise<boolean> {
    if (!(error instanceof Error)) return false;
    // Two replicas that update the same instances in opposite order: one of them is told to repeat.
    const code: unknown = Reflect.get(error, 'code');
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
    await this.catalogs.recordCurrent();
    for (const { resolution } of rows) await this.scopeSets.digestOf(resolution);
    return true;
  }

  private async writeOnce(rows: readonly Row[]): Promise<void> {
    const values = [
      rows.map(({ jti }) => jti),
      rows.map(({ licenseId }) => licenseId),
      rows.map(({ instanceRowId }) => instanceRowId),
      rows.map(({ kid }) => kid),
      rows.map(({ scopeSetDigest }) => scopeSetDigest),
      rows.map(() => this.catalogs.currentDigest),
      rows.map(({ gitlabVersion }) => gitlabVersion),
      rows.map(({ hostName }) => hostName),
      rows.map(({ issuedAt }) => issuedAt.toISOString()),
      rows.map(({ expiresAt }) => expiresAt.toISOString()),
      rows.map(({ claimsDigest }) => claimsDigest),
    ];
    await this.database.prepared.run(RECORD, values);
  }
}
