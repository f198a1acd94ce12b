import { Clock } from '../../src/platform/clock.js';

/** A clock that stands still until a test moves it. The only fake in the tests. */
export class FakeClock extends Clock {
  private aheadMs = 0;

  constructor(private instant = new Date()) {
    super();
  }

  override now(): Date {
    return new Date(this.instant.getTime() + this.aheadMs);
  }

  /** Time passes until then. */
  set(instant: Date | string): void {
    this.instant = new Date(instant);
  }

  /** Time passes. */
  advance(milliseconds: number): void {
    this.instant = new Date(this.instant.getTime() + milliseconds);
  }

  /** Somebody sets the clock: it is that much ahead of the true time from now on. */
  beAhead(milliseconds: number): void {
    this.aheadMs = milliseconds;
  }

  protected override steadyMs(): number {
    return this.instant.getTime();
  }
}
