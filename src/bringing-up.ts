import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './platform/logging.js';
import type { ServiceConfig } from './platform/service-config.js';
import { DatabaseClosedError } from './refusals-of-a-start.js';
import { isWrongSetting, type Obstacle, obstacleOf, passes, refusalOf } from './start-obstacle.js';

/** Within 3 s of the return of a database that was away, tokens are issued. */
const AWAY_RETRY_MS = 500;
/** What somebody has to mend is tried at 0.5, 1, 2, 4 and 8 seconds, then every ten. */
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 10_000;

interface BringingUpOptions {
  readonly config: ServiceConfig;
  /** Whether the service publishes keys by now: then nearly nothing ends the start. */
  readonly isListening: () => boolean;
  readonly logger: Logger;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
  /** Told what is in the way, and null once nothing is. */
  readonly tell: (obstacle: string | null) => void;
}

/** Tries to bring the database up until that works. */
export class BringingUp {
  constructor(
    private readonly attempt: () => Promise<void>,
    private readonly options: BringingUpOptions,
  ) {}

  /**
   * Makes the first attempt, and leaves further ones to the background.
   * @returns a promise that resolves once an attempt has worked; it rejects when nothing is published and
   *   somebody must mend what the error says
   * @throws {StartRefusedError} what must be mended before a start
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
    return isListening() ? !isWrongSetting(error) : passes(error, config);
  }

  private async tryOnce(): Promise<void> {
    this.options.signal.throwIfAborted();
    await this.attempt();
    this.options.tell(null);
  }

  private async keepTrying(firstError: unknown): Promise<void> {
    const { signal, logger } = this.options;
    let told: string | null = null;
    let pauseMs = RETRY_FIRST_MS;
    for (let error = firstError; ;) {
      const obstacle = obstacleOf(error, this.options.config);
      if (obstacle.text !== told) this.report(obstacle, error);
      told = obstacle.text;
      await sleep(obstacle.passesByItself ? AWAY_RETRY_MS : pauseMs, undefined, { signal });
      pauseMs = Math.min(2 * pauseMs, RETRY_LAST_MS);
      try {
        await this.tryOnce();
        break;
      } catch (next) {
        if (!this.goesOnAfter(next)) throw this.told(next);
        error = next;
      }
    }
    logger.info('the database is back: tokens are issued');
  }

  /** An operator may take the time to mend a password, and everything else while keys are published. */
  private goesOnAfter(error: unknown): boolean {
    if (this.options.signal.aborted) return false;
    return (
      this.options.isListening() || this.waitsFor(error) || error instanceof DatabaseClosedError
    );
  }

  /** What the attempts end with, after the readiness was told. */
  private told(error: unknown): unknown {
    if (this.options.signal.aborted) return error;
    this.options.tell(obstacleOf(error, this.options.config).text);
    return refusalOf(error, this.options.config);
  }

  private report({ text, passesByItself }: Obstacle, error: unknown): void {
    const { logger, tell } = this.options;
    tell(text);
    if (passesByItself) logger.warn(text);
    else logger.error({ error }, text);
  }
}
