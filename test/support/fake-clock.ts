import { Clock } from '../../src/platform/clock.js';

/** A clock that stands still until it is told otherwise. The only fake in the tests. */
export class FakeClock extends Clock {
  constructor(private instant = new Date()) {
    super();
  }

  override now(): Date {
    return new Date(this.instant);
  }

  set(instant: Date | string): void {
    this.instant = new Date(instant);
  }

  advance(milliseconds: number): void {
    this.instant = new Date(this.instant.getTime() + milliseconds);
  }
}
