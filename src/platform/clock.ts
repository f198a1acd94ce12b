import { Injectable } from '@nestjs/common';

/** A smaller change between two calls means that the clock is adjusted, not set. */
const DRIFT_MS = 30_000;
export const CLOCK_SETTLES_MS = 3_600_000;

/** The one place where the service reads the wall clock. A use case asks it once per request. */
@Injectable()
export class Clock {
  private offsetMs: number | null = null;
  private settlesAtMs = Number.NEGATIVE_INFINITY;

  now(): Date {
    return new Date();
  }

  /**
   * Whether the wall clock has agreed with the steady clock for an hour. A clock that was just set may be wrong
   * and be set back, so irreversible steps wait.
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

  /** Milliseconds since an arbitrary instant. Nobody can set this clock. */
  protected steadyMs(): number {
    return performance.now();
  }
}
