const HOUR_MS = 3_600_000;

/** The time until an instance loses service; `none` when it has never had a token. */
export const TIMES_LEFT = ['expired', '1h', '6h', '24h', '48h', 'more', 'none'] as const;
export type TimeLeft = (typeof TIMES_LEFT)[number];

const UP_TO_HOURS = [
  ['expired', 0],
  ['1h', 1],
  ['6h', 6],
  ['24h', 24],
  ['48h', 48],
] as const satisfies readonly (readonly [TimeLeft, number])[];

/** The shortest of these times that covers the time left. */
export function timeLeft(losesServiceAt: Date | null, now: Date): TimeLeft {
  if (losesServiceAt === null) return 'none';
  const hours = (losesServiceAt.getTime() - now.getTime()) / HOUR_MS;
  return UP_TO_HOURS.find(([, upTo]) => hours <= upTo)?.[0] ?? 'more';
}
