import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { Database } from './database.js';
import { troubleOf } from './away.js';
import { LOOK } from './client.js';
import { guarded } from '../platform/guarded.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SLOW_MS } from './statement-outcomes.js';
import type { DatabaseTrouble } from './trouble.js';

export const DATABASE_STATES = [
  'up',
  'slow',
  'pool_full',
  'too_many_connections',
  'read_only',
  'full',
  'failing',
  'refused',
  'away',
] as const satisfies readonly ('up' | DatabaseTrouble)[];

export type DatabaseState = (typeof DATABASE_STATES)[number];

/** A probe waits for a second at most, and a frozen database counts as away. */
const ANSWERS_WITHIN_MS = SLOW_MS;
/** Probes come about every ten seconds. */
const LATE_ANSWER_COUNTS_FOR_MS = 20_000;
const WRITE_AGAIN_AFTER_MS = 10_000;
/** Trouble that comes and goes is logged at most once in this time. */
const LOG_AGAIN_AFTER_MS = 60_000;

const REMEDIES: Readonly<Record<Exclude<DatabaseState, 'up'>, string>> = {
  away: 'the database is away: nothing is issued until it answers',
  slow: `the database answers later than ${SLOW_MS} ms: look at its load, its disk and the network`,
  full:
    'the disk of the database is full: nothing is issued. Free space on the volume of the database, or ' +
    'enlarge it. The service then goes on by itself',
  read_only:
    'the database is read-only: nothing is issued. Unless a failover is under way, let DATABASE_URL name ' +
    'the primary, or undo default_transaction_read_only',
  too_many_connections:
    'the database or its pooler has no connection left: raise its limit (max_connections, max_client_conn), ' +
    'or lower DATABASE_POOL_SIZE',
  pool_full:
    'all connections of this service to the database are in use: look for statements that are slow or wait ' +
    'for locks, or raise DATABASE_POOL_SIZE',
  failing:
    'the database fails inside, and what needs it fails too: look at its log, its memory and its disk',
  refused:
    'the database refuses this service: correct what the reason says, or correct DATABASE_URL and restart',
};

/** The state of the database, for probes, metrics and the log. */
@Injectable()
export class DatabaseWatch {
  private logged: DatabaseState = 'up';
  private readonly loggedAtMs = new Map<DatabaseState, number>();
  private wroteAtMs = Number.NEGATIVE_INFINITY;
  private lateAtMs = Number.NEGATIVE_INFINITY;
  private looking: Promise<DatabaseState> | null = null;
  private lookingAside: Promise<boolean> | null = null;

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    database.outcomes.onChange(() => {
      const worst = database.outcomes.worst();
      this.log(stateOf(worst?.trouble), worst?.reason);
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
    const state = answer === 'silent' ? await this.whileSilent(start) : answer;
    const overall = state === 'up' ? stateOf(worst?.trouble) : state;
    this.log(overall, worst?.reason);
    return overall;
  }

  /** Probes that come together share one question, because anybody may send any number of them. */
  private look(): Promise<DatabaseState> {
    this.looking ??= this.ask().finally(() => (this.looking = null));
    return this.looking;
  }

  /** Shared for the same reason: each question opens a connection. */
  private lookAside(): Promise<boolean> {
    this.lookingAside ??= this.database
      .answersAside(ANSWERS_WITHIN_MS)
      .finally(() => (this.lookingAside = null));
    return this.lookingAside;
  }

  private async ask(): Promise<DatabaseState> {
    const start = performance.now();
    try {
      const { rows } = await this.database.pool.query<{ readOnly: boolean }>(LOOK);
      const now = performance.now();
      const isLate = now - start > ANSWERS_WITHIN_MS;
      if (isLate) this.lateAtMs = now;
      if (rows[0]?.readOnly) return 'read_only';
      // Earlier writes went to another server, or the setting was undone.
      this.database.outcomes.forgetBefore(start, 'read_only');
      return isLate ? 'slow' : 'up';
    } catch (error) {
      this.lateAtMs = Number.NEGATIVE_INFINITY;
      return stateOf(troubleOf(error) ?? 'away');
    }
  }

  private async whileSilent(start: number): Promise<DatabaseState> {
    const { outcomes } = this.database;
    if (this.database.connections().waitingCount > 0) {
      return (await this.lookAside()) ? 'pool_full' : 'away';
    }
    if (performance.now() - this.lateAtMs < LATE_ANSWER_COUNTS_FOR_MS) return 'slow';
    // If other statements were answered meanwhile, only our own connections were busy.
    return outcomes.wasAnsweredSince(start) ? 'up' : 'away';
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

/** Work that was in each other's way says nothing about the database. */
function stateOf(trouble: DatabaseTrouble | undefined): DatabaseState {
  return trouble === undefined || trouble === 'contended' ? 'up' : trouble;
}
