import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseClosedError } from './database/database-closed.js';
import type { Logger } from './platform/logging.js';
import type { ServiceConfig } from './platform/service-config.js';
import {
  isWrongSetting,
  type Obstacle,
  obstacleOf,
  passesByItself,
  refusalOf,
} from './start-obstacle.js';

/** Tokens are issued within 3 s of the return of a database that was away. */
const AWAY_RETRY_MS = 500;
/** What an operator must correct is tried again after 0.5, 1, 2, 4 and 8 seconds, then every ten. */
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;

interface StartAttemptsOptions {
  readonly config: ServiceConfig;
  /** Whether the service publishes keys already: then nearly nothing ends the start. */
  readonly isListening: () => boolean;
  readonly logger: Logger;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
  /** Gets the present obstacle, and null when there is none any more. */
  readonly report: (obstacle: string | null) => void;
}

/** Repeats the attempt to bring the service up until it succeeds. */
export class StartAttempts {
  constructor(
    private readonly attempt: () => Promise<void>,
    private readonly options: StartAttemptsOptions,
  ) {}

  /**
   * Makes the first attempt. Further attempts run in the background.
   * @returns a promise that resolves after a successful attempt; it rejects when nothing is published and
   *   an operator must correct what the error says
   * @throws {StartRefusedError} when an operator must correct something before a start
   */
  async begin(): Promise<{ readonly broughtUp: Promise<void> }> {
    try {
      await this.tryOnce();
      return { broughtUp: Promise.resolve() };
    } catch (error) {
      this.options.signal.throwIfAborted();
      if (!this.waitsFor(error)) throw refusalOf(error, this.options.config);
      const broughtUp = this.keepTrying(error);
      // Callers may ignore it, so a rejection is handled here.
      broughtUp.catch(() => undefined);
      return { broughtUp };
    }
  }

  private waitsFor(error: unknown): boolean {
    const { isListening, config } = this.options;
    return isListening() ? !isWrongSetting(error) : passesByItself(error, config);
  }

  private async tryOnce(): Promise<void> {
    this.options.signal.throwIfAborted();
    await this.attempt();
    this.options.report(null);
  }

  private async keepTrying(firstError: unknown): Promise<void> {
    const { signal, logger } = this.options;
    let reported: string | null = null;
    let pauseMs = RETRY_FIRST_MS;
    for (let error = firstError; ;) {
      const obstacle = obstacleOf(error, this.options.config);
      if (obstacle.text !== reported) this.report(obstacle, error);
      reported = obstacle.text;
      await sleep(obstacle.isAway ? AWAY_RETRY_MS : pauseMs, undefined, { signal });
      pauseMs = Math.min(2 * pauseMs, RETRY_LAST_MS);
      try {
        await this.tryOnce();
        break;
      } catch (next) {
        if (!this.goesOnAfter(next)) throw this.finalError(next);
        error = next;
      }
    }
    logger.info('the database is back: tokens are issued');
  }

  /**
   * While keys are published, the start goes on trying after any failure; otherwise only when the obstacle
   * passes by itself or the database refuses us.
   */
  private goesOnAfter(error: unknown): boolean {
    if (this.options.signal.aborted) return false;
    return (
      this.options.isListening() || this.waitsFor(error) || error instanceof DatabaseClosedError
    );
  }

  private finalError(error: unknown): unknown {
    if (this.options.signal.aborted) return error;
    this.options.report(obstacleOf(error, this.options.config).text);
    return refusalOf(error, this.options.config);
  }

  private report({ text, isAway }: Obstacle, error: unknown): void {
    const { logger, report } = this.options;
    report(text);
    if (isAway) logger.warn(text);
    else logger.error({ error }, text);
  }
}
