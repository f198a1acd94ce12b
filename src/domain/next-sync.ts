import { type CalendarDay, dayOf, startOfDay } from './calendar-day.js';
import { type GitlabVersion, reachesVersion } from './gitlab-version.js';
import type { LicenseKind } from './license.js';

/** The last syncs of an instance. */
export interface SyncRecord {
  /** As of its last sync. */
  readonly gitlabVersion: GitlabVersion | null;
  /** When it last got a token; null when it never has. */
  readonly lastSyncAt: Date | null;
  /** When the token of that sync expires or expired. */
  readonly tokenExpiresAt: Date | null;
}

const HOUR_MS = 3_600_000;
/** An instance asks for a new token once the newest one has less than this left. */
const REFRESH_MS = 48 * HOUR_MS;
const HOURLY_SINCE: GitlabVersion = { text: '18.0', parts: [18, 0, 0] };
/** Older instances choose a minute of these two hours (UTC) each time their jobs start. */
const DAILY_FROM_MS = 5 * HOUR_MS;
const DAILY_UNTIL_MS = 7 * HOUR_MS;
/** One hourly check may be missed, for example during an upgrade, before the sync counts as late. */
const SLACK_MS = HOUR_MS;

/**
 * The latest instant of the next sync of a healthy instance. From GitLab 18.0 on, an instance checks
 * every hour, and syncs when its token has less than two days left (merge request 188065 of
 * gitlab-org/gitlab). Older ones sync every day between 05:00 and 07:00 UTC. Null when it cannot be
 * known: the instance has never synced, or it has an offline license, so that only a script syncs.
 */
export function nextSyncDueAt(
  { gitlabVersion, lastSyncAt, tokenExpiresAt }: SyncRecord,
  kind: LicenseKind,
): Date | null {
  if (lastSyncAt === null || tokenExpiresAt === null || kind === 'offline_cloud') return null;
  if (!reachesVersion(gitlabVersion, HOURLY_SINCE)) return endOfDailyWindowAfter(lastSyncAt);
  const refreshFrom = tokenExpiresAt.getTime() - REFRESH_MS;
  return new Date(Math.max(refreshFrom, lastSyncAt.getTime()) + HOUR_MS);
}

/** Whether the sync that was due at `dueAt` is more than an hour late. */
export function isSyncOverdue(dueAt: Date | null, now: Date): boolean {
  return dueAt !== null && now.getTime() >= dueAt.getTime() + SLACK_MS;
}

/** The end of the first window that begins after `instant`. */
function endOfDailyWindowAfter(instant: Date): Date {
  const today: CalendarDay = dayOf(instant);
  const days = instant.getTime() <= startOfDay(today).getTime() + DAILY_FROM_MS ? 0 : 1;
  return new Date(startOfDay(today, days).getTime() + DAILY_UNTIL_MS);
}
