/** The users and seats that an instance reports. The numbers are unchecked. */
export interface ReportedCounts {
  readonly billableUsers: number | null;
  readonly maxHistoricalUsers: number | null;
  readonly addOnMetrics: readonly ReportedMetric[] | null;
}

export interface ReportedMetric {
  readonly add_on_type: string;
  readonly purchased_seats: number;
  readonly assigned_seats: number;
}

/** A number that cannot be true. It is kept as text, because it may not fit into an integer. */
export interface AbsurdNumber {
  readonly name: string;
  readonly value: string;
}

/** The largest Postgres integer. */
const MAX_COUNT = 2_147_483_647;
/** Using more seats than were bought is common. Above this factor it is a mistake or a forgery. */
const MAX_USERS_PER_SEAT = 100;
const MAX_NAMED = 20;

/**
 * The numbers of a report that cannot be true, 20 at most.
 * @param seats the seats of the license; null when it has none
 */
export function absurdNumbersOf(
  counts: ReportedCounts,
  seats: number | null,
): readonly AbsurdNumber[] {
  const maxUsers = seats === null ? MAX_COUNT : Math.min(MAX_COUNT, MAX_USERS_PER_SEAT * seats);
  const numbers = [
    { name: 'billable_users_count', value: counts.billableUsers, max: maxUsers },
    { name: 'max_historical_user_count', value: counts.maxHistoricalUsers, max: maxUsers },
    ...(counts.addOnMetrics ?? []).flatMap(({ add_on_type, purchased_seats, assigned_seats }) => [
      { name: `${add_on_type} purchased_seats`, value: purchased_seats, max: MAX_COUNT },
      { name: `${add_on_type} assigned_seats`, value: assigned_seats, max: MAX_COUNT },
    ]),
  ];
  return numbers
    .flatMap(({ name, value, max }) =>
      value === null || isCount(value, max) ? [] : [{ name, value: String(value) }],
    )
    .slice(0, MAX_NAMED);
}

function isCount(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
