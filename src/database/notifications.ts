import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { isUnavailable } from './away.js';
import { guarded } from '../platform/guarded.js';
import { listen } from './listen.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SharedRun } from './shared-run.js';

const RECONNECT_FIRST_MS = 500;
const RECONNECT_LAST_MS = 10_000;
const PROBE_EVERY_MS = 15_000;
const ANSWERS_WITHIN_MS = 5000;

type Callback = () => Promise<void> | void;

/**
 * Notifications of other replicas through the database (`NOTIFY`). They save the wait until the next
 * poll. A notification may be lost, so everything that uses them polls as well.
 */
@Injectable()
export class Notifications implements BeforeApplicationShutdown {
  private readonly runs = new Map<string, (() => void)[]>();
  private readonly stopping = new AbortController();
  private probe: () => void = () => undefined;
  private listening: Promise<void> | null = null;
  private up = false;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** Whether this replica listens now. */
  get isUp(): boolean {
    return this.up;
  }

  /**
   * Calls `callback` for each notification on `channel`, and once after every connect, because some may
   * have been missed. Calls never overlap: notifications during a call cause one more call. Errors are
   * logged. Register before `start`.
   */
  on(channel: string, callback: Callback): void {
    if (this.listening)
      throw new Error(`${channel} is registered after the start, when channels are fixed`);
    const shared = new SharedRun(() => this.call(channel, callback));
    const run = guarded(this.logger, `notifications of ${channel}`, () => shared.run());
    this.runs.set(channel, [...(this.runs.get(channel) ?? []), run]);
  }

  /**
   * Listens until the shutdown, and connects again whenever the connection is lost.
   * @param url must not lead through a pooler in transaction mode
   */
  start(url: string): void {
    if (this.stopping.signal.aborted) return;
    this.listening ??= this.keepListening(url, this.stopping.signal);
  }

  /** Checks the connection now instead of within seconds: its server may not be ours any more. */
  probeNow(): void {
    this.probe();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.listening;
  }

  private async keepListening(url: string, signal: AbortSignal): Promise<void> {
    let pauseMs = RECONNECT_FIRST_MS;
    const onListening = (probe: () => void) => {
      this.probe = probe;
      this.up = true;
      pauseMs = RECONNECT_FIRST_MS;
      for (const channel of this.runs.keys()) this.demand(channel);
    };
    while (!signal.aborted) {
      await this.listenOnce(url, onListening, signal);
      this.up = false;
      // Rejects at the shutdown, which ends the loop.
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, RECONNECT_LAST_MS);
    }
  }

  private async listenOnce(
    url: string,
    onListening: (probe: () => void) => void,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await listen({
        url,
        channels: [...this.runs.keys()],
        onListening,
        onNotification: (channel) => {
          this.demand(channel);
        },
        probeEveryMs: PROBE_EVERY_MS,
        answersWithinMs: ANSWERS_WITHIN_MS,
        signal,
        logger: this.logger,
      });
    } catch (error) {
      // Only for debugging: others log that the database is away, and polling replaces notifications.
      this.logger.debug({ error }, 'not listening to the database');
    }
  }

  private demand(channel: string): void {
    for (const run of this.runs.get(channel) ?? []) run();
  }

  private async call(channel: string, callback: Callback): Promise<void> {
    try {
      await callback();
    } catch (error) {
      const away = isUnavailable(error);
      this.logger[away ? 'debug' : 'error'](
        { channel, error },
        'a notification could not be handled',
      );
    }
  }
}
