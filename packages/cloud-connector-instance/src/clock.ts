import { setTimeout as sleep } from 'node:timers/promises';

/** What the client asks for the time of day. */
export interface Clock {
  now(): Date;
}

/** Resolves after that many milliseconds; rejects when the signal is aborted before. */
export type Wait = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** The one place of this package that reads the wall clock. */
export const systemClock: Clock = { now: () => new Date() };

/** Milliseconds since some instant; nobody sets it. */
export function steadyMs(): number {
  return performance.now();
}

/** Timers stand still while a machine sleeps, so that is how late a wait may notice that it is over. */
const LONGEST_NAP_MS = 30_000;

/**
 * Waits in naps, and looks at the clock after each: a wait during which the machine slept for days is over soon
 * after it wakes up. A clock that was set back makes no wait longer.
 * @param nap waits by a timer
 */
export function waitByClock(clock: Clock, nap: Wait): Wait {
  return async (milliseconds, signal) => {
    const until = clock.now().getTime() + milliseconds;
    let left = milliseconds;
    do {
      const next = Math.min(left, LONGEST_NAP_MS);
      await nap(next, signal);
      left = Math.min(left - next, until - clock.now().getTime());
    } while (left > 0);
  };
}

export const systemWait: Wait = waitByClock(systemClock, (milliseconds, signal) =>
  sleep(milliseconds, undefined, { signal }),
);
