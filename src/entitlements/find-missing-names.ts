import type { EntityManager } from 'typeorm';
import type { CalendarDay } from '../domain/calendar-day.js';
import type { Catalog } from '../domain/catalog.js';

/** An add-on or a plan that records use and the catalog does not have. */
export interface MissingName {
  readonly records: 'add_on_purchases' | 'licenses' | 'namespaces';
  readonly name: string;
  /** How many records use it. */
  readonly count: number;
}

// A record that is over grants nothing anyway. A license is over 14 days after its end.
const MISSING = `
  SELECT 'add_on_purchases' AS records, add_on AS name, count(*)::int AS count FROM add_on_purchases
  WHERE add_on <> ALL ($1) AND voided_at IS NULL AND expires_on > $3
  GROUP BY add_on
  UNION ALL
  SELECT 'licenses', plan, count(*)::int FROM licenses
  WHERE plan <> ALL ($2) AND revoked_at IS NULL AND expires_on > $3::date - 14
  GROUP BY plan
  UNION ALL
  SELECT 'namespaces', plan, count(*)::int FROM namespaces WHERE plan <> ALL ($2) GROUP BY plan
  ORDER BY records, name`;

export async function findMissingNames(
  manager: EntityManager,
  { addOns, licenseTypes }: Catalog,
  today: CalendarDay,
): Promise<readonly MissingName[]> {
  const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);
  return manager.query<MissingName[]>(MISSING, [names(addOns), names(licenseTypes), today]);
}
