import { Inject, Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { codeOf } from '../platform/code-of.js';
import { type CalendarDay, startOfDay } from '../domain/calendar-day.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { LIFT_LIMITS } from '../database/session-settings.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { SignForAudit } from './sign-for-audit.js';

export const DROP_OLD_DAYS_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Each day is read once before it is dropped. A large day takes longer than a request may. */
const PATIENCE_MS = 600_000;
const LOCK_NOT_AVAILABLE = '55P03';

interface LedgerDay {
  readonly day: CalendarDay;
  readonly partition: string;
}

/** What the note of a dropped day says. */
interface DayCount {
  /** False while a batch of the day has no checkpoint. */
  readonly ready: boolean;
  readonly tokens: number;
  readonly first_checkpoint: number | null;
  readonly last_checkpoint: number | null;
}

const COUNT = `
  SELECT ready, tokens::float8, first_checkpoint::float8, last_checkpoint::float8
  FROM (SELECT pg_try_advisory_xact_lock(hashtext('ledger.retention')) AS locked OFFSET 0) turn
  CROSS JOIN LATERAL count_issued_tokens_partition($1) WHERE locked`;

const DAYS = `SELECT day, issued_tokens_partition(day) AS partition FROM issued_tokens_days() AS day`;

/** Drops whole days of the ledger when their last token has been expired for long enough. */
@Injectable()
export class LedgerRetention {
  constructor(
    private readonly database: Database,
    private readonly sign: SignForAudit,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /**
   * Drops the days that are due, the oldest first. A day waits while one of its batches has no
   * checkpoint, and while the ledger is in use without a pause: syncs come first.
   * @returns the dropped days
   */
  async dropOldDays(): Promise<CalendarDay[]> {
    const client = await this.database.pool.connect();
    try {
      return await this.dropOn(client);
    } finally {
      client.release();
    }
  }

  private async dropOn(client: PoolClient): Promise<CalendarDay[]> {
    const now = this.clock.now();
    const expiredBy = new Date(now.getTime() - this.config.ledgerRetentionDays * DAY_MS);
    const dropped: CalendarDay[] = [];
    for (const { day, partition } of (await client.query<LedgerDay>(DAYS)).rows) {
      // No token expires before it was issued: most days need not be read.
      if (startOfDay(day, 1) > expiredBy) break;
      if (!(await this.isOver(client, partition, expiredBy))) break;
      if (!(await this.drop(client, day, now))) break;
      dropped.push(day);
      this.logger.info({ day }, 'a day of the ledger was past its retention and was dropped');
    }
    return dropped;
  }

  private async isOver(client: PoolClient, partition: string, expiredBy: Date): Promise<boolean> {
    const { rows } = await client.query<{ last: Date | null }>({
      text: `SELECT max(expires_at) AS last FROM ${partition}`,
      query_timeout: PATIENCE_MS,
    } as { text: string });
    const last = rows[0]?.last ?? null;
    return last === null || last < expiredBy;
  }

  /** @returns false when the day has to wait: another replica drops it, or the ledger is in use */
  private async drop(client: PoolClient, day: CalendarDay, now: Date): Promise<boolean> {
    await client.query('BEGIN');
    try {
      await client.query(LIFT_LIMITS);
      // While we wait for a lock on the whole ledger, later syncs wait behind us.
      await client.query(`SET LOCAL lock_timeout = '100ms'`);
      // If this process freezes while it holds the lock, the database ends the transaction.
      await client.query(
        `SET LOCAL idle_in_transaction_session_timeout = ${this.config.databaseTimeoutMs}`,
      );
      const dropped = await this.noteAndDrop(client, day, now);
      await client.query('COMMIT');
      return dropped;
    } catch (error) {
      // On a connection that is gone this fails too, and the first error says more.
      await client.query('ROLLBACK').catch(() => undefined);
      if (codeOf(error) === LOCK_NOT_AVAILABLE) return false;
      throw error;
    }
  }

  private async noteAndDrop(client: PoolClient, day: CalendarDay, now: Date): Promise<boolean> {
    const patient = (text: string, values: unknown[]) =>
      ({ text, values, query_timeout: PATIENCE_MS }) as { text: string };
    const [counted] = (await client.query<DayCount>(patient(COUNT, [day]))).rows;
    if (counted?.ready !== true) return false;
    const { tokens, first_checkpoint, last_checkpoint } = counted;
    const iat = Math.floor(now.getTime() / 1000);
    const iss = this.config.issuerUrl;
    const claims = { iss, iat, day, tokens, first_checkpoint, last_checkpoint };
    const signed = await this.sign.droppedDay(claims);
    const drop = 'SELECT drop_issued_tokens_partition($1, $2, $3, $4, $5, $6)';
    const values = [day, tokens, first_checkpoint, last_checkpoint, now, signed];
    await client.query(patient(drop, values));
    return true;
  }
}
