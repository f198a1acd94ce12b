import { type CalendarDay, startOfDay } from '../domain/calendar-day.js';

/** Every `jti` from `from` on and before `to`. */
export interface JtiRange {
  readonly from: string;
  readonly to: string;
}

/** The lowest `jti` of this millisecond: a `jti` is a UUID of version 7 and starts with its instant. */
export function firstJtiAt(milliseconds: number): string {
  const hex = Math.max(0, Math.floor(milliseconds)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}

/** The instant in a `jti`, in milliseconds. */
export function millisecondsOf(jti: string): number {
  return Number.parseInt(jti.slice(0, 8) + jti.slice(9, 13), 16);
}

/** Whole days in UTC, including `last`. */
export function rangeOfDays(first: CalendarDay, last: CalendarDay): JtiRange {
  return {
    from: firstJtiAt(startOfDay(first).getTime()),
    to: firstJtiAt(startOfDay(last, 1).getTime()),
  };
}
