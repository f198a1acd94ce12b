import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { Database } from './database.js';
import { type DatabaseTrouble, troubleOf } from './away.js';
import { guarded } from '../platform/guarded.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SLOW_MS } from './statement-outcomes.js';

export type DatabaseState = 'up' | DatabaseTrouble;

export const DATABASE_STATES = ['up', 'slow', 'read_only', 'full', 'refused', 'away'] as const;

/** A probe waits for a second at most, and a frozen database counts as away. */
const ANSWERS_WITHIN_MS = SLOW_MS;
/** Probes come about every ten seconds. */
const LATE_ANSWER_COUNTS_FOR_MS = 20_000;
const WRITE_AGAIN_AFTER_MS = 10_000;
/** Trouble that comes and goes is logged at most once in this time. */
const LOG_AGAIN_AFTER_MS = 60_000;

const LOOK = `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly"`;

const REMEDIES: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'the database is away: nothing is issued until it answers',
  slow: `the database answers later than ${SLOW_MS} ms: look at its load, its disk and the network`,
  full:
    'the disk of the database is full: nothing is issued. Free space on the volume of the database, or ' +
    'enlarge it. The service then goes on by itself',
  read_only:
    'the database is read-only: nothing is issued. Unless a failover is under way, let DATABASE_URL name ' +
    'the primary, or undo default_transaction_read_only',
  refused:
    'the database refuses this service. Too many connections: raise max_connections of the database, or ' +
    'lower DATABASE_POOL_SIZE. Otherwise correct what the reason says, or correct DATABASE_URL and restart',
};

/** The state of the database, for probes, metrics and the log. */
@Injectable()
export class DatabaseWatch {
  private logged: DatabaseState = 'up';
  private readonly loggedAtMs = new Map<DatabaseState, number>();
  private wroteAtMs = Number.NEGATIVE_INFINITY;
  private lateAtMs = Number.NEGATIVE_INFINITY;
  private looking: Promise<DatabaseState> | null = null;

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    database.outcomes.onChange(() => {
      const worst = database.outcomes.worst();
      this.log(worst?.trouble ?? 'up', worst?.reason);
    });
  }

  /** Asks the database, and considers the outcomes of the service's own statements. */
  async state(): Promise<DatabaseState> {
    const { outcomes } = this.database;
    const start = performance.now();
    const answer = await Promise.race([
      this.look(),
      sleep(ANSWERS_WITHIN_MS, 'silent' as const, { ref: false }),
    ]);
    const worst = outcomes.worst();
    if (outcomes.isStale())
      guarded(this.logger, 'write to the database', () => this.tryToWrite())();
    const state = answer === 'silent' ? this.whileSilent(start) : answer;
    const overall = state === 'up' ? (worst?.trouble ?? 'up') : state;
    this.log(overall, worst?.reason);
    return overall;
  }

  /** Probes that come together share one question, because anybody may send any number of them. */
  private look(): Promise<DatabaseState> {
    this.looking ??= this.ask().finally(() => (this.looking = null));
    return this.looking;
  }

  private async ask(): Promise<DatabaseState> {
    const start = performance.now();
    try {
      const { rows } = await this.database.pool.query<{ readOnly: boolean }>(LOOK);
      const now = performance.now();
      const isLate = now - start > ANSWERS_WITHIN_MS;
      if (isLate) this.lateAtMs = now;
      if (rows[0]?.readOnly) return 'read_only';
      return isLate ? 'slow' : 'up';
    } catch (error) {
      this.lateAtMs = Number.NEGATIVE_INFINITY;
      return troubleOf(error) ?? 'away';
    }
  }

  private whileSilent(start: number): DatabaseState {
    if (performance.now() - this.lateAtMs < LATE_ANSWER_COUNTS_FOR_MS) return 'slow';
    // If other statements were answered meanwhile, only our own connections were busy.
    return this.database.outcomes.wasAnsweredSince(start) ? 'up' : 'away';
  }

  /** Tries a write, because nobody has repeated the one that failed. */
  private async tryToWrite(): Promise<void> {
    const now = performance.now();
    if (now - this.wroteAtMs < WRITE_AGAIN_AFTER_MS) return;
    this.wroteAtMs = now;
    const trouble = await this.database.proveWritable().then(() => null, troubleOf);
    // A database user who may not create tables proves nothing. Then only the next write can show it.
    if (trouble === null) this.database.outcomes.forgetBefore(now);
  }

  private log(state: DatabaseState, reason: string | undefined): void {
    const previous = this.logged;
    const now = performance.now();
    const last = this.loggedAtMs.get(state) ?? Number.NEGATIVE_INFINITY;
    if (state === previous || now - last < LOG_AGAIN_AFTER_MS) return;
    this.logged = state;
    this.loggedAtMs.set(state, now);
    if (state === 'up') this.logger.info('the database works again');
    else if (state === 'away' || state === 'slow') this.logger.warn({ reason }, REMEDIES[state]);
    else this.logger.error({ database: state, reason }, REMEDIES[state]);
  }
}
