import fc from 'fast-check';
import { keySetMaxAgeSeconds, type KeySetSchedule } from './key-set-max-age.js';

const NOW = new Date('2026-06-15T12:00:00Z');
const DAY_SECONDS = 86_400;

function inSeconds(seconds: number): Date {
  return new Date(NOW.getTime() + seconds * 1000);
}

function maxAge(schedule: Partial<KeySetSchedule>): number {
  const nextChangeAt = inSeconds(30 * DAY_SECONDS);
  const usual = { nextChangeAt, cacheSeconds: DAY_SECONDS, now: NOW, jitter: 0 };
  return keySetMaxAgeSeconds({ ...usual, ...schedule });
}

describe('how long a copy of the key set may be used', () => {
  it.each([
    [DAY_SECONDS, 3600],
    [3601, 3600],
    [3600, 3600],
    [3599, 3599],
    [1, 1],
  ])('when validators keep keys for %d seconds, it is %d at most', (cacheSeconds, expected) => {
    expect(maxAge({ cacheSeconds })).toBe(expected);
  });

  it.each([
    [3601, 3600],
    [3600, 3600],
    [3599.999, 3599],
    [60, 60],
    [1, 1],
    [0.999, 0],
    [0.001, 0],
  ])('when the keys change in %d seconds, it is %d', (seconds, expected) => {
    expect(maxAge({ nextChangeAt: inSeconds(seconds) })).toBe(expected);
  });

  it(
    'when a change is late, is short and not zero: a rotation that came a minute late had every ' +
      'client fetch the keys for every request (Vault #11438)',
    () => {
      for (const seconds of [0, 0.001, 1, 60, DAY_SECONDS]) {
        expect(maxAge({ nextChangeAt: inSeconds(-seconds) })).toBe(10);
        expect(maxAge({ nextChangeAt: inSeconds(-seconds), jitter: 1 })).toBe(8);
        expect(maxAge({ nextChangeAt: inSeconds(-seconds), cacheSeconds: 1, jitter: 1 })).toBe(1);
      }
    },
  );

  it('is short when nobody knows when the keys change: a restart without the database', () => {
    expect(maxAge({ nextChangeAt: null })).toBe(300);
    expect(maxAge({ nextChangeAt: null, cacheSeconds: 299 })).toBe(299);
  });

  it.each([
    [0, 3600],
    [0.5, 3240],
    [1, 2880],
  ])(
    'is jittered by %d to %d, so that copies made together do not expire together',
    (jitter, expected) => {
      expect(maxAge({ jitter })).toBe(expected);
    },
  );

  it('is whole, never beyond the next change, and at most a fifth below what is allowed', () => {
    const schedules = fc.record({
      change: fc.option(fc.integer({ min: -1e8, max: 1e8 })),
      cacheSeconds: fc.integer({ min: 1, max: 604_800 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(schedules, ({ change, cacheSeconds, jitter }) => {
        const nextChangeAt = change === null ? null : inSeconds(change / 1000);
        const seconds = maxAge({ nextChangeAt, cacheSeconds, jitter });
        const longest = maxAge({ nextChangeAt, cacheSeconds });
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeLessThanOrEqual(longest);
        expect(seconds).toBeGreaterThanOrEqual(0.8 * longest);
        expect(seconds).toBeLessThanOrEqual(Math.min(3600, cacheSeconds));
        if (change === null || change <= 0 || change >= 1000) expect(seconds).toBeGreaterThan(0);
        if (change !== null && change > 0) expect(seconds).toBeLessThanOrEqual(change / 1000);
      }),
    );
  });
});
