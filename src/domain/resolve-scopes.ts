import { type AddOnPurchase, phaseOf } from './add-on-purchase.js';
import { type CalendarDay, dayOf } from './calendar-day.js';
import type { Catalog, UnitPrimitive } from './catalog.js';
import { type GitlabVersion, reachesVersion } from './gitlab-version.js';
import type { License } from './license.js';
import type { Decision, Resolution } from './scope-decision.js';

export interface ScopeRules {
  /** Whether the `license_types` of unit primitives are enforced (ENFORCE_LICENSE_TYPES). */
  readonly enforceLicenseTypes: boolean;
}

type PurchasesByPhase = Readonly<
  Record<'active' | 'not_started' | 'expired', ReadonlyMap<string, AddOnPurchase>>
>;

/**
 * Which unit primitives the license's plan and purchases unlock at `now`, and why.
 * A null `version` passes every version gate. Whether the license is denied as a whole is the question
 * of `denialOf`.
 */
export function resolveScopes(
  license: Pick<License, 'plan'>,
  purchases: readonly AddOnPurchase[],
  catalog: Catalog,
  version: GitlabVersion | null,
  now: Date,
  rules: ScopeRules,
): Resolution {
  const byPhase = purchasesByPhase(purchases, dayOf(now));
  const decisions: Decision[] = [];
  const scopes: string[] = [];
  const audiences = new Set<string>();
  for (const unitPrimitive of catalog.unitPrimitives) {
    const plan = rules.enforceLicenseTypes ? license.plan : null;
    const decision = decide(unitPrimitive, plan, byPhase, version, now);
    decisions.push(decision);
    if (!decision.granted) continue;
    scopes.push(unitPrimitive.name);
    for (const audience of unitPrimitive.audiences) audiences.add(audience);
  }
  return { decisions, scopes: scopes.sort(), audiences: [...audiences].sort() };
}

function decide(
  candidate: UnitPrimitive,
  plan: string | null,
  purchases: PurchasesByPhase,
  version: GitlabVersion | null,
  now: Date,
): Decision {
  const unitPrimitive = candidate.name;
  if (candidate.audiences.length === 0) {
    return { unitPrimitive, granted: false, reason: 'NO_AUDIENCE' };
  }
  const eligiblePlans = candidate.licenseTypes;
  if (plan !== null && eligiblePlans.length > 0 && !eligiblePlans.includes(plan)) {
    return { unitPrimitive, granted: false, reason: 'PLAN_NOT_ELIGIBLE', eligiblePlans };
  }
  const free = candidate.cutOffDate === null || now < candidate.cutOffDate;
  const minimum = free ? candidate.minGitlabVersionForFreeAccess : candidate.minGitlabVersion;
  if (minimum !== null && !reachesVersion(version, minimum)) {
    const minGitlabVersion = minimum.text;
    return { unitPrimitive, granted: false, reason: 'GITLAB_VERSION_TOO_OLD', minGitlabVersion };
  }
  return free
    ? { unitPrimitive, granted: true, reason: 'FREE', until: candidate.cutOffDate }
    : decideByPurchase(candidate, purchases);
}

function decideByPurchase(candidate: UnitPrimitive, purchases: PurchasesByPhase): Decision {
  const unitPrimitive = candidate.name;
  const wouldBeGrantedBy = candidate.addOns;
  const active = bestOf(wouldBeGrantedBy, purchases.active, endsAfter);
  if (active) {
    return {
      unitPrimitive,
      granted: true,
      reason: 'ADD_ON_PURCHASED',
      addOnPurchaseId: active.id,
      until: active.expiresOn,
    };
  }
  const coming = bestOf(wouldBeGrantedBy, purchases.not_started, startsBefore);
  if (coming?.startedAt) {
    return {
      unitPrimitive,
      granted: false,
      reason: 'PURCHASE_NOT_STARTED',
      addOnPurchaseId: coming.id,
      startsOn: coming.startedAt,
      wouldBeGrantedBy,
    };
  }
  const past = bestOf(wouldBeGrantedBy, purchases.expired, endsAfter);
  if (past) {
    return {
      unitPrimitive,
      granted: false,
      reason: 'PURCHASE_EXPIRED',
      addOnPurchaseId: past.id,
      expiredOn: past.expiresOn,
      wouldBeGrantedBy,
    };
  }
  return { unitPrimitive, granted: false, reason: 'NO_ACTIVE_PURCHASE', wouldBeGrantedBy };
}

/** By phase and add-on, the purchase to name: the last to end, or the first to start. */
function purchasesByPhase(
  purchases: readonly AddOnPurchase[],
  today: CalendarDay,
): PurchasesByPhase {
  const byPhase = {
    active: new Map<string, AddOnPurchase>(),
    not_started: new Map<string, AddOnPurchase>(),
    expired: new Map<string, AddOnPurchase>(),
  };
  for (const purchase of purchases) {
    const phase = phaseOf(purchase, today);
    if (phase === 'void') continue;
    const better = phase === 'not_started' ? startsBefore : endsAfter;
    const held = byPhase[phase].get(purchase.addOn);
    if (!held || better(purchase, held)) byPhase[phase].set(purchase.addOn, purchase);
  }
  return byPhase;
}

function bestOf(
  addOns: readonly string[],
  purchases: ReadonlyMap<string, AddOnPurchase>,
  better: (one: AddOnPurchase, other: AddOnPurchase) => boolean,
): AddOnPurchase | undefined {
  let best: AddOnPurchase | undefined;
  for (const addOn of addOns) {
    const purchase = purchases.get(addOn);
    if (purchase && (!best || better(purchase, best))) best = purchase;
  }
  return best;
}

function endsAfter(one: AddOnPurchase, other: AddOnPurchase): boolean {
  return one.expiresOn > other.expiresOn;
}

function startsBefore(one: AddOnPurchase, other: AddOnPurchase): boolean {
  return (one.startedAt ?? '') < (other.startedAt ?? '');
}
