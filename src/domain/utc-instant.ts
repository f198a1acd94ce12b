import { isCalendarDay } from './calendar-day.js';

/** Longer than any form below. */
const MAX_LENGTH = 128;
const INSTANT =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+((?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d)(?:\.(\d+))?)?)? *(Z|UTC|[+-](?:0\d|1[0-4]):?[0-5]\d)?$/i;

/**
 * Reads the forms in which YAML carries a date: `2024-10-17`, `2024-10-17T00:00:00Z`,
 * `2024-10-17 00:00:00 UTC`, `2024-10-17T02:00:00+02:00`. Without a zone it is UTC, never the zone
 * of the machine. Null for any other text, for a day that does not exist, and for an instant outside
 * the years 0001 to 9999.
 */
export function parseUtcInstant(text: string): Date | null {
  if (text.length > MAX_LENGTH) return null;
  const match = INSTANT.exec(text.trim());
  if (!match) return null;
  const [, year = '', month = '', date = '', minutes = '00:00', seconds = '00', fraction = ''] =
    match;
  const day = `${year}-${month.padStart(2, '0')}-${date.padStart(2, '0')}`;
  if (!isCalendarDay(day)) return null;
  const milliseconds = fraction.slice(0, 3).padEnd(3, '0');
  const instant = new Date(`${day}T${minutes}:${seconds}.${milliseconds}${offsetOf(match[7])}`);
  const utcYear = instant.getUTCFullYear();
  return utcYear >= 1 && utcYear <= 9999 ? instant : null;
}

function offsetOf(zone: string | undefined): string {
  if (zone === undefined || /^(z|utc)$/i.test(zone)) return 'Z';
  return `${zone.slice(0, 3)}:${zone.slice(-2)}`;
}
