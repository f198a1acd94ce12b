/** A clock that is behind by more has a fault: with NTP, clocks differ by far less than a second. */
export const FAR_BEHIND_MS = 300_000;
/** A service may have stood still over a weekend. After a longer gap, the clock may be ahead. */
const FAR_AHEAD_MS = 7 * 86_400_000;

/**
 * `behind`: the database has instants that are still to come, so this clock is behind, or another one was ahead.
 * `ahead`: nothing was written for a long time, so the service stood still, or this clock is ahead.
 */
export type ClockVerdict = 'right' | 'behind' | 'ahead';

/**
 * What the newest instant in the database says about the clock of a process.
 * @param newestAt by the clock of the process that wrote it; null in a new database
 * @param atStart whether this process has written nothing yet
 */
export function clockVerdict(now: Date, newestAt: Date | null, atStart: boolean): ClockVerdict {
  if (newestAt === null) return 'right';
  const ageMs = now.getTime() - newestAt.getTime();
  if (ageMs < -FAR_BEHIND_MS) return 'behind';
  return atStart && ageMs > FAR_AHEAD_MS ? 'ahead' : 'right';
}
