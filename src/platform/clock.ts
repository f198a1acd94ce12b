import { Injectable } from '@nestjs/common';

/** What drifts less between two looks is a clock that is being adjusted, not one that was set. */
const DRIFT_MS = 30_000;
export const CLOCK_SETTLES_MS = 3_600_000;

/** The one place where the service reads the wall clock; a use case asks it once per request. */
@Injectable()
export class Clock {
  private offsetMs: number | null = null;
  private settlesAtMs = Number.NEGATIVE_INFINITY;

  now(): Date {
    return new Date();
  }

  /**
   * Whether the wall clock has gone on like the steady one for an hour of looks, as far as this process
   * has seen. One that was set may be wrong, and be set back: what cannot be undone waits.
   */
  isSettled(): boolean {
    const steadyMs = this.steadyMs();
    const offsetMs = this.now().getTime() - steadyMs;
    if (this.offsetMs !== null && Math.abs(offsetMs - this.offsetMs) > DRIFT_MS) {
      this.settlesAtMs = steadyMs + CLOCK_SETTLES_MS;
    }
    this.offsetMs = offsetMs;
    return steadyMs >= this.settlesAtMs;
  }

  /** Milliseconds since some instant; nobody sets it. */
  protected steadyMs(): number {
    return performance.now();
  }
}
