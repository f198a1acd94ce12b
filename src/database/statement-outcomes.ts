import { types } from 'node:util';
import { troubleOf } from './away.js';
import { ServerChange } from './server-change.js';
import type { DatabaseTrouble } from './trouble.js';

/** A short statement, or the answer to a probe, is slow when it takes longer than this. */
export const SLOW_MS = 500;
/** The name under which attempts to connect are recorded. */
export const CONNECT = 'connect';
/** The name under which waits for a free connection of a pool are recorded. */
export const CHECK_OUT = 'check out';

/** A failure that nobody has tried again for this long means little. */
const STALE_MS = 30_000;
const SLOW_FOR_MS = 10_000;
/** Enough for every statement of this program. Limits those that TypeORM generates. */
const MOST_FAILURES = 100;

const WORST_FIRST = [
  'full',
  'failing',
  'read_only',
  'refused',
  'too_many_connections',
  'pool_full',
  'slow',
] as const;
/** `away` is asked for, and `contended` is over at once. */
const UNNOTED: ReadonlySet<DatabaseTrouble | null> = new Set([null, 'away', 'contended'] as const);
/** Trouble that passes when nothing says that it goes on. */
const PASSING: ReadonlySet<DatabaseTrouble> = new Set(['slow', 'pool_full'] as const);

interface Failure {
  readonly trouble: DatabaseTrouble;
  readonly reason: string;
  readonly atMs: number;
}

/**
 * The outcomes of the statements of this process. A database with a full disk answers every question and
 * stores nothing, so its state must come from real statements. Each failure counts until the same
 * statement succeeds.
 */
export class StatementOutcomes {
  /** Shared by the connections of both pools, as the outcomes are. */
  readonly serverChange: ServerChange;
  private readonly failures = new Map<string, Failure>();
  private answeredAtMs = Number.NEGATIVE_INFINITY;
  private listener: () => void = () => undefined;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.serverChange = new ServerChange(now);
  }

  /** Calls `listener` whenever the trouble may have changed. */
  onChange(listener: () => void): void {
    this.listener = listener;
  }

  /** @param isShort whether the statement should be fast, as those of a sync */
  succeeded(statement: string, tookMs: number, isShort: boolean): void {
    this.answeredAtMs = this.now();
    if (tookMs > SLOW_MS && isShort) {
      this.remember(statement, 'slow', `a statement took ${Math.round(tookMs)} ms`);
    } else if (this.failures.delete(statement)) this.listener();
  }

  failed(statement: string, error: unknown, isShort: boolean): void {
    const trouble = troubleOf(error);
    if (trouble === null || UNNOTED.has(trouble) || (trouble === 'slow' && !isShort)) return;
    this.remember(statement, trouble, types.isNativeError(error) ? error.message : String(error));
  }

  /** The worst failure that counts now, with the reason that the database gave. */
  worst(): Pick<Failure, 'trouble' | 'reason'> | null {
    this.dropOutdated();
    const failures = [...this.failures.values()];
    for (const trouble of WORST_FIRST) {
      const failure = failures.findLast((one) => one.trouble === trouble);
      if (failure) return failure;
    }
    return null;
  }

  /** Whether nobody has tried a failed statement again for a while: only a try shows whether it works. */
  isStale(): boolean {
    const before = this.now() - STALE_MS;
    return [...this.failures.values()].some(({ atMs }) => atMs < before);
  }

  /**
   * To be called when a try at `sinceMs` succeeded: earlier failures no longer count.
   * @param only the trouble that the try disproves; all by default
   */
  forgetBefore(sinceMs: number, only?: DatabaseTrouble): void {
    const before = this.failures.size;
    for (const [statement, { atMs, trouble }] of this.failures) {
      if (atMs < sinceMs && (only ?? trouble) === trouble) this.failures.delete(statement);
    }
    if (this.failures.size < before) this.listener();
  }

  /** Whether any statement was answered since `sinceMs`. */
  wasAnsweredSince(sinceMs: number): boolean {
    return this.answeredAtMs >= sinceMs;
  }

  private remember(statement: string, trouble: DatabaseTrouble, reason: string): void {
    this.failures.delete(statement);
    this.failures.set(statement, { trouble, reason, atMs: this.now() });
    const [oldest] = this.failures.keys();
    if (this.failures.size > MOST_FAILURES && oldest !== undefined) this.failures.delete(oldest);
    this.listener();
  }

  /** Some trouble ends by itself. So does a failed connect: a pool that opens no connection needs none. */
  private dropOutdated(): void {
    const now = this.now();
    for (const [statement, { trouble, atMs }] of this.failures) {
      const passes = PASSING.has(trouble) ? SLOW_FOR_MS : STALE_MS;
      if ((PASSING.has(trouble) || statement === CONNECT) && now - atMs > passes) {
        this.failures.delete(statement);
      }
    }
  }
}
