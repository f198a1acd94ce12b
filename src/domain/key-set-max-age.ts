/** Far below what validators are assumed to keep keys for, so that caches between do not add to it. */
const LONGEST_SECONDS = 3600;
/** While it is not known when the keys change next: a restart without the database. */
const UNPLANNED_SECONDS = 300;
/** While a change is late: short, for it may come at any moment, but not for everybody at once. */
const OVERDUE_SECONDS = 10;
/** The share by which copies expire earlier, so that those made together do not expire together. */
const JITTER = 0.2;

export interface KeySetSchedule {
  /** When the published keys change next; in the past while that is late, null when not known. */
  readonly nextChangeAt: Date | null;
  /** How long validators are assumed to keep keys. At least 1. */
  readonly cacheSeconds: number;
  readonly now: Date;
  /** From 0, the longest that is allowed, to 1. */
  readonly jitter: number;
}

/**
 * For how many whole seconds a copy of the key set may be used (`max-age`, RFC 9111 section 5.2.2.1):
 * never beyond the next planned change, and 0 only in the second before it.
 */
export function keySetMaxAgeSeconds({
  nextChangeAt,
  cacheSeconds,
  now,
  jitter,
}: KeySetSchedule): number {
  const limit = Math.min(LONGEST_SECONDS, cacheSeconds, secondsUntil(nextChangeAt, now));
  return Math.ceil(limit * (1 - JITTER * jitter));
}

function secondsUntil(change: Date | null, now: Date): number {
  if (change === null) return UNPLANNED_SECONDS;
  if (change <= now) return OVERDUE_SECONDS;
  return Math.floor((change.getTime() - now.getTime()) / 1000);
}
