import type { Pool } from 'pg';
import { BoundedCache } from './bounded-cache.js';
import type { PlainPurchase } from './expected-scopes.js';

/** A license and its purchases in the time between two changes of either. */
export interface LicenseState {
  readonly plan: string;
  readonly kind: string;
  readonly starts_on: string;
  readonly expires_on: string;
  readonly revoked_at: Date | null;
  readonly purchases: readonly PlainPurchase[];
  /** When this state began and ended, in milliseconds, by the clock that dates tokens. */
  readonly from: number;
  readonly to: number;
}

interface Change {
  readonly license_id: string;
  /** The database's clock, which gives the order of the changes. */
  readonly recorded: number;
  readonly updated_at: Date;
}

type LicenseRow = Change & Omit<LicenseState, 'purchases' | 'from' | 'to'>;
type PurchaseRow = Change & PlainPurchase & { readonly id: string };

/**
 * A sync reads the license shortly after the instant that dates its token, and a change is dated
 * shortly before it is committed. So the sync may have read any state from this time around the token.
 */
export const BEFORE_MS = 10_000;
export const AFTER_MS = 15_000;
const REMEMBERED = 5000;

const RECORDED = `(extract(epoch FROM recorded_at) * 1000000)::float8 AS recorded, updated_at`;
const LICENSES = `
  SELECT id AS license_id, plan, kind, starts_on, expires_on, revoked_at, ${RECORDED}
  FROM licenses_history WHERE id = ANY($1)`;
const PURCHASES = `
  SELECT license_id, id, add_on, quantity, started_at, expires_on, voided_at IS NOT NULL AS voided,
         ${RECORDED}
  FROM add_on_purchases_history
  WHERE id IN (SELECT id FROM add_on_purchases WHERE license_id = ANY($1))`;

/** The past states of licenses, from their histories. */
export class LicenseStates {
  private readonly known = new BoundedCache<string, readonly LicenseState[]>(REMEMBERED);

  constructor(
    private readonly pool: Pick<Pool, 'query'>,
    private readonly now: Date,
  ) {}

  /** The states of each of these licenses, in the order of time; none for an unknown license. */
  async of(licenseIds: Iterable<string>): Promise<Map<string, readonly LicenseState[]>> {
    const found = new Map<string, readonly LicenseState[]>();
    const asked: string[] = [];
    for (const id of new Set(licenseIds)) {
      const states = this.known.get(id);
      if (states) found.set(id, states);
      else asked.push(id);
    }
    if (asked.length === 0) return found;
    const licenses = (await this.pool.query<LicenseRow>(LICENSES, [asked])).rows;
    const purchases = (await this.pool.query<PurchaseRow>(PURCHASES, [asked])).rows;
    const changes = new Map(asked.map((id): [string, (LicenseRow | PurchaseRow)[]] => [id, []]));
    for (const change of [...licenses, ...purchases]) changes.get(change.license_id)?.push(change);
    for (const [id, own] of changes) {
      const states = statesOf(own, this.now.getTime() + AFTER_MS);
      this.known.set(id, states);
      found.set(id, states);
    }
    return found;
  }
}

/** The states that a sync at `issuedAt` may have read. */
export function statesAround(states: readonly LicenseState[], issuedAt: Date): LicenseState[] {
  const [first, last] = [issuedAt.getTime() - BEFORE_MS, issuedAt.getTime() + AFTER_MS];
  return states.filter(({ from, to }) => from <= last && to >= first);
}

/** @param future changes that are dated later were dated by a clock that was ahead */
function statesOf(changes: readonly (LicenseRow | PurchaseRow)[], future: number): LicenseState[] {
  const inOrder = [...changes].sort((one, other) => one.recorded - other.recorded);
  const purchases = new Map<string, PurchaseRow>();
  let license: LicenseRow | null = null;
  let before = -Infinity;
  const states: LicenseState[] = [];
  for (const [index, change] of inOrder.entries()) {
    if ('plan' in change) license = change;
    else purchases.set(change.id, change);
    const dated = change.updated_at.getTime();
    if (license !== null) {
      const next = inOrder[index + 1]?.updated_at.getTime() ?? Infinity;
      const [from, to] = spanOf(dated > future ? before : dated, next > future ? Infinity : next);
      states.push({ ...license, purchases: [...purchases.values()], from, to });
    }
    // A change that is dated in the future came at an unknown time after the one before it.
    if (dated <= future) before = dated;
  }
  return states;
}

/** A clock may have been set back between two changes. */
function spanOf(from: number, to: number): [number, number] {
  return from <= to ? [from, to] : [to, from];
}
