import { FakeClock } from '../../test/support/fake-clock.js';

const MINUTE = 60_000;

describe('a clock', () => {
  it('is settled while it goes on like time does, however long nobody looks', () => {
    const clock = new FakeClock();
    expect(clock.isSettled()).toBe(true);
    clock.advance(1000 * MINUTE);
    expect(clock.isSettled()).toBe(true);
  });

  it.each([30_001, -30_001])('is not for an hour after it was set by %i ms', (milliseconds) => {
    const clock = new FakeClock();
    clock.isSettled();
    clock.beAhead(milliseconds);
    expect(clock.isSettled()).toBe(false);
    clock.advance(60 * MINUTE - 1);
    expect(clock.isSettled()).toBe(false);
    clock.advance(1);
    expect(clock.isSettled()).toBe(true);
    clock.beAhead(0);
    expect(clock.isSettled()).toBe(false);
  });

  it('may be adjusted by and by', () => {
    const clock = new FakeClock();
    for (let ahead = 0; ahead <= 300_000; ahead += 30_000) {
      clock.beAhead(ahead);
      expect(clock.isSettled()).toBe(true);
    }
  });
});
