/**
 * The auditor's own reading of the rules of scope resolution. It shares no code with the service's,
 * works on plain data in snake_case and takes other ways: day numbers where the service compares
 * strings, padded strings where it compares numbers. The tests compare the two.
 */
export interface PlainUnitPrimitive {
  readonly name: string;
  readonly cut_off_date: string | null;
  readonly min_gitlab_version: string | null;
  readonly min_gitlab_version_for_free_access: string | null;
  readonly license_types: readonly string[];
  readonly backend_services: readonly string[];
  readonly add_ons: readonly string[];
}

export interface PlainCatalog {
  readonly unit_primitives: readonly PlainUnitPrimitive[];
  readonly backend_services: readonly { readonly name: string; readonly jwt_aud: string }[];
}

export interface PlainPurchase {
  readonly add_on: string;
  readonly quantity: number;
  readonly started_at: string | null;
  readonly expires_on: string;
  readonly voided: boolean;
}

export interface ScopeCase {
  readonly plan: string;
  readonly purchases: readonly PlainPurchase[];
  readonly catalog: PlainCatalog;
  readonly gitlab_version: string;
  readonly now: string;
  readonly enforce_license_types: boolean;
}

export interface ExpectedScopes {
  readonly scopes: string[];
  readonly audiences: string[];
  /** By name of the unit primitive. */
  readonly reasons: Record<string, string>;
}

export function expectedScopes(given: ScopeCase): ExpectedScopes {
  const reasons = new Map(
    given.catalog.unit_primitives.map((each) => [each.name, reasonFor(each, given)]),
  );
  const granted = given.catalog.unit_primitives.filter(({ name }) =>
    ['FREE', 'ADD_ON_PURCHASED'].includes(reasons.get(name) ?? ''),
  );
  const reached = new Set(granted.flatMap((each) => each.backend_services));
  const audiences = given.catalog.backend_services
    .filter(({ name }) => reached.has(name))
    .map(({ jwt_aud }) => jwt_aud);
  return {
    scopes: granted.map(({ name }) => name).sort(),
    audiences: [...new Set(audiences)].sort(),
    reasons: Object.fromEntries(reasons),
  };
}

/** Finds every refusal that applies, and names the first in the order of the published list. */
function reasonFor(candidate: PlainUnitPrimitive, given: ScopeCase): string {
  const now = Date.parse(given.now);
  const free = !(candidate.cut_off_date !== null && Date.parse(candidate.cut_off_date) <= now);
  const minimum = free
    ? candidate.min_gitlab_version_for_free_access
    : candidate.min_gitlab_version;
  const tooOld = minimum !== null && sortable(given.gitlab_version) < sortable(minimum);
  const wrongPlan =
    candidate.license_types.length !== 0 &&
    candidate.license_types.every((plan) => plan !== given.plan);

  const today = Math.floor(now / 86_400_000);
  const addOns = candidate.add_ons.map(todaysName);
  const fitting = given.purchases
    .filter((purchase) => addOns.includes(todaysName(purchase.add_on)))
    .filter((purchase) => !purchase.voided && purchase.quantity > 0)
    .map(spanOf);
  const paid = fitting.some((span) => covers(span, today));

  const refusals: [string, boolean][] = [
    ['NO_AUDIENCE', candidate.backend_services.length === 0],
    ['PLAN_NOT_ELIGIBLE', given.enforce_license_types && wrongPlan],
    ['GITLAB_VERSION_TOO_OLD', tooOld],
    ['PURCHASE_NOT_STARTED', !free && !paid && fitting.some(({ from }) => from > today)],
    ['PURCHASE_EXPIRED', !free && !paid && fitting.some(({ end }) => end <= today)],
    ['NO_ACTIVE_PURCHASE', !free && !paid],
  ];
  const refusal = refusals.find(([, applies]) => applies);
  if (refusal) return refusal[0];
  return free ? 'FREE' : 'ADD_ON_PURCHASED';
}

/** Whether a purchase pays for anything at `now`. */
export function isRunning(purchase: PlainPurchase, now: Date): boolean {
  const counts = !purchase.voided && purchase.quantity > 0;
  return counts && covers(spanOf(purchase), Math.floor(now.getTime() / 86_400_000));
}

interface Span {
  readonly from: number;
  readonly end: number;
}

function spanOf(purchase: PlainPurchase): Span {
  return {
    from: purchase.started_at === null ? -Infinity : dayNumber(purchase.started_at),
    end: dayNumber(purchase.expires_on),
  };
}

function covers({ from, end }: Span, day: number): boolean {
  return from <= day && day <= end - 1;
}

/** Days since 1970 in UTC. */
function dayNumber(day: string): number {
  const [year, month, date] = day.split('-').map(Number);
  return Date.UTC(year ?? NaN, (month ?? NaN) - 1, date ?? NaN) / 86_400_000;
}

/**
 * The leading numbers of a version, each padded, so that the texts sort as the versions do. A version
 * that was not known has no numbers: it sorts before all others.
 */
function sortable(version: string): string {
  if (!/^\d/.test(version)) return '';
  const numbers = /^\d+\.\d+(\.\d+)?/.exec(version)?.[0].split('.') ?? [];
  return [0, 1, 2].map((index) => (numbers[index] ?? '0').padStart(24, '0')).join(' ');
}

function todaysName(addOn: string): string {
  return addOn.replace(/^code_suggestions$/, 'duo_pro');
}
