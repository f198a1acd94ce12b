import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type CalendarDay, dayOf, startOfDay } from '../domain/calendar-day.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { auditChains, auditLastTokens, auditNewestLinks } from './audit-chains.js';
import { auditCheckpoints } from './audit-checkpoints.js';
import { auditRows } from './audit-rows.js';
import { CheckpointKeys } from './checkpoint-keys.js';
import { auditDroppedDays } from './dropped-days.js';
import type { Report } from './finding.js';
import { compareCheckpoint, SeenCheckpoint } from './seen-checkpoint.js';
import { firstJtiAt, type JtiRange, rangeOfDays } from './jti-range.js';

export const AUDIT_SAMPLE_EVERY_MS = 600_000;
const DAY_MS = 86_400_000;
/** Rows do not enter the ledger in the order of their `jti`. After this time none is missing. */
const SETTLED_AFTER_MS = 30_000;
const NEWEST_MS = 900_000;
const SAMPLE_ROWS = 2000;
const SAMPLE_CHECKPOINTS = 20;

const DAYS = 'SELECT issued_tokens_days() AS day';

/** How much an audit has checked. */
export interface Audited {
  readonly rows: number;
  readonly batches: number;
  readonly checkpoints: number;
}

/** Which days to audit row by row. Chains and checkpoints are always audited whole. */
export interface AuditedDays {
  readonly from?: CalendarDay | undefined;
  readonly to?: CalendarDay | undefined;
  /** Checkpoints (compact JWSs) that were kept elsewhere. Each must still be in the database. */
  readonly copies?: readonly string[] | undefined;
}

export type Progress = (day: CalendarDay, rows: number) => void;

/**
 * Recomputes what the ledger should say from the histories, the snapshots and its own reading of the
 * rules, and reports what differs. It only reads, page by page, so it can run beside the service.
 */
@Injectable()
export class LedgerAuditor {
  constructor(
    private readonly database: Database,
    private readonly keys: CheckpointKeys,
    private readonly seen: SeenCheckpoint,
    private readonly clock: Clock,
  ) {}

  async audit(days: AuditedDays, report: Report, progress?: Progress): Promise<Audited> {
    const { pool } = this.database;
    const now = this.clock.now();
    const ledger = { pool, keys: this.keys, now };
    let rows = 0;
    for (const day of await this.days(days)) {
      const range = settled(rangeOfDays(day, day), now);
      const options = { progress: (count: number) => progress?.(day, count) };
      rows += await auditRows(ledger, range, report, options);
    }
    const batches = await auditChains(pool, report);
    await auditDroppedDays(pool, this.keys, report);
    await auditLastTokens(pool, report);
    await this.seen.audit(report);
    for (const copy of days.copies ?? []) await compareCheckpoint(pool, this.keys, copy, report);
    const checkpoints = await auditCheckpoints(pool, this.keys, report);
    return { rows, batches, checkpoints };
  }

  /** Audits the newest rows and some random older ones: little enough for every few minutes. */
  async sample(report: Report): Promise<void> {
    const { pool } = this.database;
    const now = this.clock.now();
    const ledger = { pool, keys: this.keys, now };
    const limited = { limit: SAMPLE_ROWS };
    const newest = firstJtiAt(now.getTime() - NEWEST_MS);
    await auditRows(
      ledger,
      settled({ from: newest, to: firstJtiAt(now.getTime()) }, now),
      report,
      limited,
    );
    const days = await this.days({ to: dayOf(now) });
    const day = days[days.length === 0 ? 0 : randomInt(days.length)];
    if (day !== undefined) {
      const from = firstJtiAt(startOfDay(day).getTime() + randomInt(DAY_MS));
      await auditRows(
        ledger,
        settled({ from, to: rangeOfDays(day, day).to }, now),
        report,
        limited,
      );
    }
    await auditNewestLinks(pool, now, report);
    await auditDroppedDays(pool, this.keys, report);
    await auditCheckpoints(pool, this.keys, report, await this.checkpointToSampleFrom());
    // A checkpoint that is gone stays remembered, so every sample reports it again.
    if (await this.seen.audit(report)) await this.seen.remember();
  }

  /** The days of the ledger, the oldest first. */
  private async days({ from, to }: AuditedDays): Promise<CalendarDay[]> {
    const { rows } = await this.database.pool.query<{ day: CalendarDay }>(DAYS);
    return rows
      .map(({ day }) => day)
      .filter((day) => (from === undefined || day >= from) && (to === undefined || day <= to));
  }

  private async checkpointToSampleFrom(): Promise<number> {
    const sql = 'SELECT coalesce(max(number), 0)::float8 AS last FROM ledger_checkpoints';
    const { rows } = await this.database.pool.query<{ last: number }>(sql);
    return Math.max(0, (rows[0]?.last ?? 0) - SAMPLE_CHECKPOINTS);
  }
}

function settled({ from, to }: JtiRange, now: Date): JtiRange {
  const newest = firstJtiAt(now.getTime() - SETTLED_AFTER_MS);
  return { from, to: to < newest ? to : newest };
}
