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

export interface BringingUpOptions {
  readonly config: ServiceConfig;
  /** Whether keys of the last run are published: then nearly nothing ends the start. */
  readonly publishesKept: boolean;
  readonly logger: Logger;
  /** Gives it up. */
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
   * @returns what resolves once an attempt has worked
   * @throws what must be mended before a start
   */
  async begin(): Promise<{ readonly broughtUp: Promise<void> }> {
    try {
      await this.tryOnce();
      return { broughtUp: Promise.resolve() };
    } catch (error) {
      this.options.signal.throwIfAborted();
      if (!this.waitsFor(error)) throw refusalOf(error, this.options.config);
      const broughtUp = this.keepTrying(error);
      // Whoever wants to know waits for it; nobody has to.
      broughtUp.catch(() => undefined);
      return { broughtUp };
    }
  }

  private waitsFor(error: unknown): boolean {
    const { publishesKept, config } = this.options;
    return publishesKept ? !isWrongSetting(error) : passes(error, config);
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
        if (!this.goesOnAfter(next)) throw next;
        error = next;
      }
    }
    logger.info('the database is back: tokens are issued');
  }

  /** An operator may take the time to mend a password, and everything else while keys are published. */
  private goesOnAfter(error: unknown): boolean {
    if (this.options.signal.aborted) return false;
    return (
      this.options.publishesKept || this.waitsFor(error) || error instanceof DatabaseClosedError
    );
  }

  private report({ text, passesByItself }: Obstacle, error: unknown): void {
    const { logger, tell } = this.options;
    tell(text);
    if (passesByItself) logger.warn(text);
    else logger.error({ error }, text);
  }
}
