import type { Pool } from 'pg';
import type { AuditedRow } from './audited-rows.js';
import type { PlannedPurchase } from './expected-self-issued.js';
import { AFTER_MS, BEFORE_MS } from './license-states.js';

/** The request for a self-issued token, as its row stores it. */
export interface SelfIssuedRequest {
  readonly user?: string;
  readonly namespace?: string;
  readonly unit_primitives?: readonly string[];
  readonly extra_claims?: Readonly<Record<string, unknown>>;
}

/** What a user or a namespace had at one instant. */
export interface SelfIssuedState {
  readonly kind: 'user' | 'namespace';
  /** The plan of the namespace; null for a user, and for a namespace that is unknown here. */
  readonly plan: string | null;
  readonly purchases: readonly PlannedPurchase[];
}

interface Dated {
  /** The database's clock, which gives the order of the changes. */
  readonly recorded: number;
  readonly updated_at: Date;
}

interface PlanRow extends Dated {
  readonly namespace_id: string;
  readonly plan: string;
}

interface PurchaseRow extends Dated {
  readonly id: string;
  readonly namespace_id: string;
  readonly add_on: string;
  readonly quantity: number;
  readonly started_at: string | null;
  readonly expires_on: string;
  readonly voided: boolean;
}

interface SeatRow {
  readonly user_id: string;
  readonly purchase_id: string;
  readonly assigned_at: Date;
  readonly released_at: Date | null;
}

const RECORDED = `(extract(epoch FROM recorded_at) * 1000000)::float8 AS recorded, updated_at`;

const SEATS = `
  SELECT user_id, add_on_purchase_id AS purchase_id, assigned_at, released_at
  FROM seat_assignments WHERE user_id = ANY($1)`;

const PURCHASES = `
  SELECT id, namespace_id, add_on, quantity, started_at, expires_on,
         voided_at IS NOT NULL AS voided, ${RECORDED}
  FROM add_on_purchases_history
  WHERE namespace_id IS NOT NULL AND id IN (
    SELECT id FROM add_on_purchases WHERE namespace_id = ANY($1) OR id = ANY($2))`;

const PLANS = `
  SELECT id AS namespace_id, plan, ${RECORDED} FROM namespaces_history WHERE id = ANY($1)`;

/** The past states of users and namespaces of the platform, from the histories. */
export class SelfIssuedStates {
  private constructor(
    private readonly seats: readonly SeatRow[],
    private readonly purchases: readonly PurchaseRow[],
    private readonly plans: readonly PlanRow[],
  ) {}

  /** Reads the histories of the users and namespaces of the self-issued tokens among `rows`. */
  static async of(
    pool: Pick<Pool, 'query'>,
    rows: readonly AuditedRow[],
  ): Promise<SelfIssuedStates> {
    const requests = rows.flatMap(({ self_issued }) =>
      self_issued ? [requestOf(self_issued)] : [],
    );
    if (requests.length === 0) return new SelfIssuedStates([], [], []);
    const users = requests.flatMap(({ user }) => (user === undefined ? [] : [user]));
    const asked = requests.flatMap(({ namespace }) => (namespace === undefined ? [] : [namespace]));
    const seats = (await pool.query<SeatRow>(SEATS, [users])).rows;
    const held = seats.map(({ purchase_id }) => purchase_id);
    const purchases = (await pool.query<PurchaseRow>(PURCHASES, [asked, held])).rows;
    const namespaces = [...asked, ...purchases.map(({ namespace_id }) => namespace_id)];
    const plans = (await pool.query<PlanRow>(PLANS, [[...new Set(namespaces)]])).rows;
    return new SelfIssuedStates(seats, inOrder(purchases), inOrder(plans));
  }

  /** The states that the issue of a token at `issuedAt` may have read. */
  around({ user, namespace }: SelfIssuedRequest, issuedAt: Date): SelfIssuedState[] {
    const seats = this.seats.filter(({ user_id }) => user_id === user);
    const held = new Set(seats.map(({ purchase_id }) => purchase_id));
    const purchases = this.purchases.filter(({ id, namespace_id }) =>
      user === undefined ? namespace_id === namespace : held.has(id),
    );
    const owners = new Set([namespace, ...purchases.map((purchase) => purchase.namespace_id)]);
    const plansOfOwners = this.plans.filter(({ namespace_id }) => owners.has(namespace_id));
    const [first, last] = [issuedAt.getTime() - BEFORE_MS, issuedAt.getTime() + AFTER_MS];
    const changes = [
      ...seats.flatMap(({ assigned_at, released_at }) => [assigned_at, released_at ?? assigned_at]),
      ...purchases.map(({ updated_at }) => updated_at),
      ...plansOfOwners.map(({ updated_at }) => updated_at),
    ];
    const instants = changes
      .map((change) => change.getTime())
      .filter((instant) => instant > first && instant <= last);
    return [...new Set([first, ...instants])].map((instant): SelfIssuedState => {
      const current = lastUpTo(purchases, ({ id }) => id, instant);
      const plans = lastUpTo(plansOfOwners, (one) => one.namespace_id, instant);
      const planned = [...current.values()].flatMap((purchase) => {
        const plan = plans.get(purchase.namespace_id)?.plan;
        return plan === undefined ? [] : [{ ...purchase, plan }];
      });
      if (user === undefined) {
        const plan = plans.get(namespace ?? '')?.plan ?? null;
        return { kind: 'namespace', plan, purchases: planned };
      }
      const seated = new Set(seats.filter(heldAt(instant)).map(({ purchase_id }) => purchase_id));
      const own = planned.filter(({ id }) => seated.has(id));
      return { kind: 'user', plan: null, purchases: own };
    });
  }
}

/** A malformed request matches no user and no namespace. */
export function requestOf(text: string): SelfIssuedRequest {
  const request: unknown = JSON.parse(text);
  return isRequest(request) ? request : {};
}

function isRequest(value: unknown): value is SelfIssuedRequest {
  if (typeof value !== 'object' || value === null) return false;
  const {
    user = '',
    namespace = '',
    unit_primitives = [],
    extra_claims = {},
  } = value as Record<string, unknown>;
  const texts = typeof user === 'string' && typeof namespace === 'string';
  const objects = typeof extra_claims === 'object' && extra_claims !== null;
  return texts && objects && Array.isArray(unit_primitives);
}

function heldAt(instant: number): (seat: SeatRow) => boolean {
  return ({ assigned_at, released_at }) =>
    assigned_at.getTime() <= instant && (released_at === null || released_at.getTime() > instant);
}

function inOrder<Row extends Dated>(rows: readonly Row[]): Row[] {
  return [...rows].sort((one, other) => one.recorded - other.recorded);
}

/** The last version of each that existed at `instant`. */
function lastUpTo<Row extends Dated>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  instant: number,
): Map<string, Row> {
  const found = new Map<string, Row>();
  for (const row of rows) if (row.updated_at.getTime() <= instant) found.set(keyOf(row), row);
  return found;
}
