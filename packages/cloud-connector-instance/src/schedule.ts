import { InstanceClientError } from './errors.js';
import type { Settings } from './options.js';
import type { SyncOutcome } from './token-sync.js';

const HOUR_MS = 3_600_000;
/** Spreads the checks of many instances over this part of an hour. */
const JITTER = 0.2;
/** A check that failed for the store or a missing license key is repeated sooner. */
const UNCHECKED_MS = HOUR_MS / 10;

/** The hourly checks, one after the other. A failed check does not end them. */
export class Schedule {
  private running: { readonly stop: AbortController; readonly ended: Promise<void> } | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly check: () => Promise<SyncOutcome>,
  ) {}

  start(): void {
    if (this.running) return;
    const stop = new AbortController();
    this.running = { stop, ended: this.run(stop.signal) };
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = null;
    running?.stop.abort();
    await running?.ended;
  }

  private async run(signal: AbortSignal): Promise<void> {
    const stopped = () => signal.aborted;
    while (!stopped()) {
      const outcome = await this.checkOnce();
      try {
        await this.settings.wait(this.untilNext(outcome), signal);
      } catch (error) {
        if (!stopped()) throw error;
      }
    }
  }

  /** A check that throws (a store on a full disk) must not end the schedule. */
  private async checkOnce(): Promise<SyncOutcome | null> {
    try {
      return await this.check();
    } catch (error) {
      const known = error instanceof InstanceClientError;
      const message = known
        ? `${error.code}: ${error.message}`
        : `the check failed: ${String(error)}`;
      this.settings.log({ level: 'error', event: 'check_failed', message });
      return null;
    }
  }

  /**
   * An hour, give or take six minutes. Later when the issuer named a time, but never sooner: an overloaded
   * issuer that sends `Retry-After: 1` would get far more requests.
   */
  private untilNext(outcome: SyncOutcome | null): number {
    const { clock, random } = this.settings;
    if (!outcome) return UNCHECKED_MS * (1 + (random() - 0.5) * JITTER);
    const named = instantOf(outcome);
    const askedMs = named ? named.getTime() - clock.now().getTime() : 0;
    return Math.max(askedMs, HOUR_MS * (1 - JITTER / 2)) + HOUR_MS * JITTER * random();
  }
}

/** When the issuer allows the next request; null when it did not say. */
function instantOf(outcome: SyncOutcome): Date | null {
  if (outcome.outcome === 'postponed') return outcome.until;
  return outcome.outcome === 'failed' ? outcome.retryAt : null;
}
