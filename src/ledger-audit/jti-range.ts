import { type CalendarDay, startOfDay } from '../domain/calendar-day.js';

/** From the first `jti` up to the second, which is not in it. */
export interface JtiRange {
  readonly from: string;
  readonly to: string;
}

/** No `jti` of this millisecond or later sorts before it; see `uuidV7`. */
export function firstJtiAt(milliseconds: number): string {
  const hex = Math.max(0, Math.floor(milliseconds)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}

/** The instant that a `jti` begins with, in milliseconds. */
export function millisecondsOf(jti: string): number {
  return Number.parseInt(jti.slice(0, 8) + jti.slice(9, 13), 16);
}

/** Whole days in UTC, the last one included. */
export function rangeOfDays(first: CalendarDay, last: CalendarDay): JtiRange {
  return {
    from: firstJtiAt(startOfDay(first).getTime()),
    to: firstJtiAt(startOfDay(last, 1).getTime()),
  };
}
