import { ID, listOf, optional, type Rules, TEXT } from './check-input.js';
import { reachesVersion } from './gitlab-version.js';
import type { HeldToken } from './held-token.js';
import { asObjects, asText, asTexts, type JsonObject } from './json.js';

/** The user who wants to use a feature. */
export interface FeatureUser {
  readonly id: string | number;
  /** Add-ons of which the user holds a seat, such as `duo_pro`. */
  readonly addOnSeats?: readonly string[];
}

/** An add-on that the instance has bought; days are `YYYY-MM-DD` in UTC, the last one not included. */
export interface AddOnPurchase {
  readonly addOn: string;
  /** Null or absent: it has always run. */
  readonly startedAt?: string | null;
  readonly expiresOn: string;
}

export type UseReason =
  /** Before the catalog's cut-off date, or without one: experimental and free features. */
  | 'ALLOWED_FREE'
  /** An active purchase carries it, and the user holds a seat where the add-on has seats. */
  | 'ALLOWED_ADD_ON'
  | 'CATALOG_NOT_SYNCED'
  | 'UNKNOWN_UNIT_PRIMITIVE'
  /** The catalog names no backend for it, so that no token can carry it. */
  | 'NO_AUDIENCE'
  | 'NO_TOKEN'
  | 'GITLAB_VERSION_TOO_OLD'
  | 'NO_ACTIVE_PURCHASE'
  /** Bought, but the user holds no seat of an add-on that carries it. */
  | 'NO_SEAT'
  /** The newest token does not carry it: not synced since it was bought, or not for this plan. */
  | 'NOT_IN_TOKEN_SCOPES';

export interface UseDecision {
  readonly allowed: boolean;
  readonly reason: UseReason;
  /** Add-ons that would allow it; empty where none would. */
  readonly addOns: readonly string[];
}

export interface UseFacts {
  readonly catalog: JsonObject | null;
  readonly token: HeldToken | null;
  readonly gitlabVersion: string;
  readonly purchases: readonly AddOnPurchase[];
  readonly now: Date;
}

export const USER_RULES: Rules<FeatureUser> = { id: ID, addOnSeats: optional(listOf(TEXT)) };

/** The add-ons that are assigned to users; all others are the whole instance's. */
const SEATED = new Set(['duo_pro', 'duo_enterprise']);

/** A day, or an instant as catalogs write it (RFC 3339). */
const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/;

/**
 * The early permission check: what a backend would say, and whether this user may. The rules are
 * those by which the issuer grants (contract section 5), seats come on top.
 */
export function decideUse(user: FeatureUser, unitPrimitive: string, facts: UseFacts): UseDecision {
  if (facts.catalog === null) return denied('CATALOG_NOT_SYNCED');
  const item = asObjects(facts.catalog['unit_primitives']).find(
    ({ name }) => name === unitPrimitive,
  );
  if (!item) return denied('UNKNOWN_UNIT_PRIMITIVE');
  if (asTexts(item['backend_services']).length === 0) return denied('NO_AUDIENCE');
  const free = isFree(item, facts.now);
  const addOns = free ? [] : asTexts(item['add_ons']).map(canonicalAddOn);
  if (!facts.token) return denied('NO_TOKEN', addOns);
  const minimum = item[free ? 'min_gitlab_version_for_free_access' : 'min_gitlab_version'];
  if (!reachesVersion(facts.gitlabVersion, asText(minimum))) {
    return denied('GITLAB_VERSION_TOO_OLD', addOns);
  }
  const refusal = free ? null : refusalByPurchase(user, addOns, facts);
  if (refusal) return denied(refusal, addOns);
  if (!facts.token.scopes.includes(unitPrimitive)) return denied('NOT_IN_TOKEN_SCOPES', addOns);
  return { allowed: true, reason: free ? 'ALLOWED_FREE' : 'ALLOWED_ADD_ON', addOns };
}

function refusalByPurchase(
  user: FeatureUser,
  addOns: readonly string[],
  { purchases, now }: UseFacts,
): 'NO_ACTIVE_PURCHASE' | 'NO_SEAT' | null {
  const active = purchases
    .filter((purchase) => isActive(purchase, now))
    .map(({ addOn }) => canonicalAddOn(addOn))
    .filter((addOn) => addOns.includes(addOn));
  if (active.length === 0) return 'NO_ACTIVE_PURCHASE';
  const seats = (user.addOnSeats ?? []).map(canonicalAddOn);
  return active.some((addOn) => !SEATED.has(addOn) || seats.includes(addOn)) ? null : 'NO_SEAT';
}

function isFree(item: JsonObject, now: Date): boolean {
  const cutOff = item['cut_off_date'] ?? null;
  if (cutOff === null) return true;
  const text = asText(cutOff) ?? '';
  // One that cannot be read gives nothing away; Date.parse alone finds a date in "not before 2099".
  return ISO_DATE.test(text) && now.getTime() < Date.parse(text);
}

/** Half-open, in UTC days. */
function isActive({ startedAt, expiresOn }: AddOnPurchase, now: Date): boolean {
  const today = now.toISOString().slice(0, 10);
  return (startedAt ?? '') <= today && today < expiresOn;
}

/** GitLab Rails keeps the historical name of Duo Pro. */
function canonicalAddOn(name: string): string {
  return name === 'code_suggestions' ? 'duo_pro' : name;
}

function denied(reason: UseReason, addOns: readonly string[] = []): UseDecision {
  return { allowed: false, reason, addOns };
}
