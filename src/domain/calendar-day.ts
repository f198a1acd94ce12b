/**
 * A day in UTC as `YYYY-MM-DD`. Days of this form compare as strings in the order of time, so the
 * rules need no time zone and no `Date` arithmetic.
 */
export type CalendarDay = string;

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const MILLISECONDS_PER_DAY = 86_400_000;
/** A whole second, as the `exp` of a token is. */
const LAST_INSTANT_MS = Date.parse('9999-12-31T23:59:59Z');

/** The UTC day in which `instant` lies. */
export function dayOf(instant: Date): CalendarDay {
  return instant.toISOString().slice(0, 10);
}

/** False for a day that does not exist, such as `2026-02-30`, and for the year 0000. */
export function isCalendarDay(text: string): boolean {
  const match = DAY.exec(text);
  if (!match || match[1] === '0000') return false;
  const instant = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(instant.getTime()) && dayOf(instant) === text;
}

/**
 * 00:00 UTC of the day that lies `days` after `day`. Vendors write 9999-12-31 for "never", and the days after it have
 * no form with four digits of a year, which is the only form that readers of JSON agree on (RFC 3339 section 1). So
 * they count as the last second before them.
 */
export function startOfDay(day: CalendarDay, days = 0): Date {
  const start = Date.parse(`${day}T00:00:00Z`) + days * MILLISECONDS_PER_DAY;
  return new Date(Math.min(start, LAST_INSTANT_MS));
}
