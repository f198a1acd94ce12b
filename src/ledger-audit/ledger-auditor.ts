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

const DAY_MS = 86_400_000;
/** Rows enter the ledger in another order than that of their `jti`, but not so much later. */
const SETTLED_AFTER_MS = 30_000;
const NEWEST_MS = 900_000;
const SAMPLE_ROWS = 2000;
const SAMPLE_CHECKPOINTS = 20;

const DAYS = 'SELECT issued_tokens_days() AS day';

/** What an audit went through. */
export interface Audited {
  readonly rows: number;
  readonly batches: number;
  readonly checkpoints: number;
}

/** Only the days from `from` to `to` are read row by row; chains and checkpoints always are whole. */
export interface AuditedDays {
  readonly from?: CalendarDay | undefined;
  readonly to?: CalendarDay | undefined;
  /** Checkpoints, compact JWSs, that were kept elsewhere: each must still be there. */
  readonly copies?: readonly string[] | undefined;
}

export type Progress = (day: CalendarDay, rows: number) => void;

/**
 * Recomputes what the ledger should say from histories, snapshots and its own reading of the rules,
 * and tells what differs. It only reads, in pages, so that it may run beside the service.
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
    const ledger = { pool, keys: this.keys };
    const now = this.clock.now();
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

  /** A part that is small enough to be gone through every few minutes: the newest, and some luck. */
  async sample(report: Report): Promise<void> {
    const { pool } = this.database;
    const ledger = { pool, keys: this.keys };
    const now = this.clock.now();
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
    // One that is gone stays remembered, so that it is told every time.
    if (await this.seen.audit(report)) await this.seen.remember();
  }

  /** The days that the ledger has, the oldest first. */
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
