import { waitByClock } from './clock.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a wait by the clock', () => {
  /** What timers and the clock say when each nap changes the clock by more than its own length. */
  async function waited(milliseconds: number, jumps: Readonly<Record<number, number>> = {}) {
    let now = Date.parse('2026-03-10T12:00:00Z');
    const naps: number[] = [];
    const wait = waitByClock({ now: () => new Date(now) }, (nap) => {
      now += nap + (jumps[naps.length] ?? 0);
      naps.push(nap);
      return Promise.resolve();
    });
    await wait(milliseconds, new AbortController().signal);
    return { naps: naps.length, byTimers: naps.reduce((sum, nap) => sum + nap, 0) };
  }

  it.each([
    ['a short one', 2000, {}, 2000],
    ['none at all', 0, {}, 0],
    ['an hour', HOUR, {}, HOUR],
    ['an hour with a sleep of three days', HOUR, { 4: 72 * HOUR }, 5 * 30_000],
    ['an hour with a sleep of ten minutes', HOUR, { 4: 10 * MINUTE }, 50 * MINUTE],
    ['an hour in which the clock is set back by a year', HOUR, { 4: -8766 * HOUR }, HOUR],
  ])('lasts as long as it should by timers: %s', async (_what, milliseconds, jumps, byTimers) => {
    expect(await waited(milliseconds, jumps)).toMatchObject({ byTimers });
  });

  it('takes no nap longer than half a minute, and ends with its signal', async () => {
    expect(await waited(90_001)).toEqual({ naps: 4, byTimers: 90_001 });
    const stopped = waitByClock({ now: () => new Date(0) }, () =>
      Promise.reject(new Error('stop')),
    );
    await expect(stopped(HOUR, new AbortController().signal)).rejects.toThrow('stop');
  });
});
