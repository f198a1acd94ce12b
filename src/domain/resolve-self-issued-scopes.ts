import { type AddOnPurchase, phaseOf } from './add-on-purchase.js';
import { dayOf } from './calendar-day.js';
import type { Catalog, UnitPrimitive } from './catalog.js';
import type { ScopeRules } from './resolve-scopes.js';
import type { SelfIssuedDecision, SelfIssuedResolution } from './self-issued-decision.js';

/** The add-ons whose seats are assigned to users. */
export const SEAT_ADD_ONS: readonly string[] = ['duo_pro', 'duo_enterprise'];

/** A namespace uses only the first of these that it has. Any other add-on counts as well. */
const PRECEDENCE: readonly string[] = ['duo_amazon_q', 'duo_enterprise', 'duo_pro'];

/** A purchase of a namespace, and the plan of that namespace. */
export interface NamespacePurchase extends AddOnPurchase {
  readonly plan: string;
}

/** The user or the namespace, and the purchases that count. */
export type SelfIssuedSubject =
  | {
      readonly kind: 'user';
      /** The purchases in which the user has a seat. */
      readonly purchases: readonly NamespacePurchase[];
      /** Other purchases of the same namespaces. They grant nothing, but explain a refusal. */
      readonly withoutSeat: readonly NamespacePurchase[];
    }
  | {
      readonly kind: 'namespace';
      /** Null for a namespace without any purchase, past ones included. */
      readonly plan: string | null;
      readonly purchases: readonly NamespacePurchase[];
    };

interface Held {
  readonly kind: SelfIssuedSubject['kind'];
  readonly plans: readonly string[];
  readonly active: readonly NamespacePurchase[];
  /** Active purchases that do not count, because `strongest` takes their place. */
  readonly outranked: readonly NamespacePurchase[];
  readonly strongest: string;
  readonly notStarted: readonly NamespacePurchase[];
  readonly expired: readonly NamespacePurchase[];
  /** Active purchases with seats, none of which the user has. */
  readonly withoutSeat: readonly NamespacePurchase[];
}

/**
 * What a user or a namespace of the platform may use at `now`, and why. There are no version gates: the
 * platform always runs the newest version.
 * @param wanted the unit primitives to decide about; null: the whole catalog
 */
export function resolveSelfIssuedScopes(
  subject: SelfIssuedSubject,
  wanted: ReadonlySet<string> | null,
  catalog: Catalog,
  now: Date,
  rules: ScopeRules,
): SelfIssuedResolution {
  const held = heldBy(subject, now);
  const decisions: SelfIssuedDecision[] = [];
  const scopes: string[] = [];
  const audiences = new Set<string>();
  for (const candidate of catalog.unitPrimitives) {
    if (wanted !== null && !wanted.has(candidate.name)) continue;
    const decision = decide(candidate, held, rules.enforceLicenseTypes, now);
    decisions.push(decision);
    if (!decision.granted) continue;
    scopes.push(candidate.name);
    for (const audience of candidate.audiences) audiences.add(audience);
  }
  return { decisions, scopes: scopes.sort(), audiences: [...audiences].sort() };
}

function heldBy(subject: SelfIssuedSubject, now: Date): Held {
  const today = dayOf(now);
  const hasSeats = (purchase: NamespacePurchase) =>
    phaseOf(purchase, today) === 'active' && SEAT_ADD_ONS.includes(purchase.addOn);
  const inPhase = (wanted: string) =>
    subject.purchases.filter((purchase) => phaseOf(purchase, today) === wanted);
  const running = inPhase('active');
  const strongest = PRECEDENCE.find((addOn) => running.some((one) => one.addOn === addOn)) ?? '';
  const isOutranked = ({ addOn }: NamespacePurchase) =>
    subject.kind === 'namespace' && addOn !== strongest && PRECEDENCE.includes(addOn);
  return {
    kind: subject.kind,
    plans: subject.kind === 'user' ? running.map(({ plan }) => plan) : planOf(subject.plan),
    active: running.filter((purchase) => !isOutranked(purchase)),
    outranked: running.filter(isOutranked),
    strongest,
    notStarted: inPhase('not_started'),
    expired: inPhase('expired'),
    withoutSeat: subject.kind === 'user' ? subject.withoutSeat.filter(hasSeats) : [],
  };
}

function planOf(plan: string | null): readonly string[] {
  return plan === null ? [] : [plan];
}

function decide(
  candidate: UnitPrimitive,
  held: Held,
  enforceLicenseTypes: boolean,
  now: Date,
): SelfIssuedDecision {
  const unitPrimitive = candidate.name;
  if (candidate.audiences.length === 0) {
    return { unitPrimitive, granted: false, reason: 'NO_AUDIENCE' };
  }
  const eligiblePlans = enforceLicenseTypes ? candidate.licenseTypes : [];
  const isEligible = (plan: string) => eligiblePlans.length === 0 || eligiblePlans.includes(plan);
  const free = candidate.cutOffDate === null || now < candidate.cutOffDate;
  const knowsPlan = held.plans.length > 0;
  const mayHaveIt = eligiblePlans.length === 0 || held.plans.some(isEligible);
  // Without purchases there is no plan. Then "no purchase" is the better reason.
  if (!mayHaveIt && (knowsPlan || free)) {
    return { unitPrimitive, granted: false, reason: 'PLAN_NOT_ELIGIBLE', eligiblePlans };
  }
  if (free) return { unitPrimitive, granted: true, reason: 'FREE', until: candidate.cutOffDate };

  const carries = ({ addOn }: AddOnPurchase) => candidate.addOns.includes(addOn);
  const active = held.active.filter(carries);
  const eligible = active.filter(({ plan }) => isEligible(plan)).reduce(lastToEnd, undefined);
  if (eligible) {
    const reason = held.kind === 'user' ? 'SEAT_ASSIGNED' : 'ADD_ON_PURCHASED';
    const { id, expiresOn } = eligible;
    return { unitPrimitive, granted: true, reason, addOnPurchaseId: id, until: expiresOn };
  }
  if (active.length > 0) {
    return { unitPrimitive, granted: false, reason: 'PLAN_NOT_ELIGIBLE', eligiblePlans };
  }
  return refusal(candidate, held, carries);
}

/** The reason why no active purchase grants it. */
function refusal(
  { name: unitPrimitive, addOns }: UnitPrimitive,
  held: Held,
  carries: (purchase: AddOnPurchase) => boolean,
): SelfIssuedDecision {
  const refused = { unitPrimitive, granted: false } as const;
  const ofUser = held.kind === 'user';
  const wouldBeGrantedBy = ofUser ? addOns.filter((one) => SEAT_ADD_ONS.includes(one)) : addOns;
  const outranked = held.outranked.find(carries);
  if (outranked) {
    const outrankedBy = held.strongest;
    return { ...refused, reason: 'OUTRANKED', addOnPurchaseId: outranked.id, outrankedBy };
  }
  const coming = held.notStarted.filter(carries).reduce(firstToStart, undefined);
  if (coming?.startedAt) {
    const about = { addOnPurchaseId: coming.id, startsOn: coming.startedAt, wouldBeGrantedBy };
    return { ...refused, reason: 'PURCHASE_NOT_STARTED', ...about };
  }
  const past = held.expired.filter(carries).reduce(lastToEnd, undefined);
  if (past && !held.withoutSeat.some(carries)) {
    const about = { addOnPurchaseId: past.id, expiredOn: past.expiresOn, wouldBeGrantedBy };
    return { ...refused, reason: 'PURCHASE_EXPIRED', ...about };
  }
  return { ...refused, reason: ofUser ? 'NO_SEAT' : 'NO_ACTIVE_PURCHASE', wouldBeGrantedBy };
}

type Best = NamespacePurchase | undefined;

function lastToEnd(best: Best, one: NamespacePurchase): Best {
  return best && best.expiresOn >= one.expiresOn ? best : one;
}

function firstToStart(best: Best, one: NamespacePurchase): Best {
  return best && (best.startedAt ?? '') <= (one.startedAt ?? '') ? best : one;
}
