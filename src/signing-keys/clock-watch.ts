import { Inject, Injectable } from '@nestjs/common';
import { type ClockVerdict, clockVerdict, FAR_BEHIND_MS } from '../domain/clock-verdict.js';
import { Clock, CLOCK_SETTLES_MS } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Replicas } from './replicas.js';

const MANUAL = 'see "A clock that was wrong" in docs/operate/keys.md';
const REMEDIES: Readonly<Record<Exclude<ClockVerdict, 'right'>, string>> = {
  behind:
    'the database has instants that are still to come: set this clock right (NTP) and restart; if it is right, ' +
    `another one was ahead: ${MANUAL}`,
  ahead:
    'nothing was written for more than seven days: either the service stood still for so long, or this clock is ' +
    `ahead: ${MANUAL}`,
};

/** What the database says about the clock of this process. */
export interface ClockReport {
  readonly verdict: Exclude<ClockVerdict, 'right'>;
  readonly newestAt: Date;
  /** Keys that were published, or sign, from an instant that is still to come. */
  readonly keysOfTheFuture: readonly string[];
  readonly remedy: string;
}

/** Each by an index, or of a small table. The row of this process is its own clock. */
const NEWEST = `
  SELECT greatest(
    (SELECT max(greatest(published_at, signs_from, retired_at, unpublished_at)) FROM signing_keys),
    (SELECT max(seen_at) FROM replicas WHERE id <> $1),
    (SELECT created_at FROM ledger_checkpoints ORDER BY number DESC LIMIT 1),
    (SELECT created_at FROM licenses ORDER BY id DESC LIMIT 1)) AS "newestAt",
  ARRAY(SELECT kid FROM signing_keys WHERE unpublished_at IS NULL AND greatest(published_at, signs_from) > $2
        ORDER BY kid) AS "keysOfTheFuture"`;

interface Newest {
  readonly newestAt: Date | null;
  readonly keysOfTheFuture: readonly string[];
}

/** Compares the clock of this process with the newest instants in the database. It reports, and changes nothing. */
@Injectable()
export class ClockWatch {
  private last: ClockReport | null = null;
  private isFirst = true;
  private aheadSince: Date | null = null;

  constructor(
    private readonly database: Database,
    private readonly replicas: Replicas,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Null while the clock looks right. */
  report(): ClockReport | null {
    return this.last;
  }

  /** Looks once more. The first look comes before this process writes anything. */
  async look(): Promise<void> {
    const now = this.clock.now();
    const [found] = await this.database.manager.query<Newest[]>(NEWEST, [
      this.replicas.id,
      new Date(now.getTime() + FAR_BEHIND_MS),
    ]);
    const { newestAt = null, keysOfTheFuture = [] } = found ?? {};
    const verdict = this.keeping(clockVerdict(now, newestAt, this.isFirst), now);
    this.isFirst = false;
    const before = this.last?.verdict;
    this.last =
      verdict === 'right' || newestAt === null
        ? null
        : { verdict, newestAt, keysOfTheFuture, remedy: REMEDIES[verdict] };
    if (this.last !== null && before !== verdict) {
      const { remedy } = this.last;
      const level = verdict === 'behind' ? 'error' : 'warn';
      this.logger[level](
        { verdict, now, newestAt, keysOfTheFuture },
        `the clock may be wrong: ${remedy}`,
      );
    }
  }

  /** Keeps `ahead` for an hour after the start: later looks find instants that this process wrote itself. */
  private keeping(verdict: ClockVerdict, now: Date): ClockVerdict {
    if (verdict === 'ahead') this.aheadSince = now;
    if (verdict !== 'right' || this.aheadSince === null) return verdict;
    const sinceMs = now.getTime() - this.aheadSince.getTime();
    return sinceMs >= 0 && sinceMs < CLOCK_SETTLES_MS ? 'ahead' : 'right';
  }
}
