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

export const systemWait: Wait = (milliseconds, signal) =>
  sleep(milliseconds, undefined, { signal });
