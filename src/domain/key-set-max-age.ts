/** Far below the time for which validators cache keys, so that caches between add little to it. */
const LONGEST_SECONDS = 3600;
/** While the next change of the keys is unknown: after a restart without the database. */
const UNPLANNED_SECONDS = 300;
/** While a change is late: it may come at any moment. */
const OVERDUE_SECONDS = 10;
/** Copies expire earlier by up to this share, so that not all of them expire together. */
const JITTER = 0.2;

export interface KeySetSchedule {
  /** When the published keys change next: in the past while that is late, null when it is unknown. */
  readonly nextChangeAt: Date | null;
  /** How long validators are assumed to cache keys. At least 1. */
  readonly cacheSeconds: number;
  readonly now: Date;
  /** From 0 (the longest time that is allowed) to 1. */
  readonly jitter: number;
}

/**
 * The whole seconds for which a copy of the key set may be used (`max-age`, RFC 9111 section 5.2.2.1).
 * They end at the next planned change at the latest. They are 0 only in the second before it.
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
