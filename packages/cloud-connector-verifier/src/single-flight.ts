import type { Clock } from './clock.js';

/**
 * A fetch that runs once at a time, and not again during its cool-down. Callers share it. It never rejects:
 * a failure is reported, and `failed` is then true.
 */
export class SingleFlight {
  private running: Promise<void> | null = null;
  private startedAtMs: number | null = null;
  private failuresInARow = 0;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly report: (reason: string) => void,
    private readonly clock: Clock,
    private readonly cooldownMs: () => number,
  ) {}

  /** Whether the last finished run failed. */
  get failed(): boolean {
    return this.failuresInARow > 0;
  }

  /** Failed runs since the last success. */
  get failures(): number {
    return this.failuresInARow;
  }

  /** How long ago the last run began; infinite when there was none. */
  get sinceStartMs(): number {
    if (this.startedAtMs === null) return Infinity;
    const passed = this.clock().getTime() - this.startedAtMs;
    // The clock was set back, so the time is unknown.
    return passed < 0 ? Infinity : passed;
  }

  /** @returns the present run, a new run, or null during the cool-down */
  run(): Promise<void> | null {
    if (this.running) return this.running;
    if (this.sinceStartMs < this.cooldownMs()) return null;
    this.startedAtMs = this.clock().getTime();
    this.running = this.work()
      .then(
        () => {
          this.failuresInARow = 0;
        },
        (error: unknown) => {
          this.failuresInARow += 1;
          this.report(reasonOf(error));
        },
      )
      .finally(() => {
        this.running = null;
      });
    return this.running;
  }
}

/** The message of `fetch` says little; its cause says more. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const detail = cause instanceof Error ? (cause as NodeJS.ErrnoException) : null;
  return detail ? `${error.message}: ${detail.code ?? detail.message}` : error.message;
}
