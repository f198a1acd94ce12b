import type { CalendarDay } from './calendar-day.js';

/** The decisions that instances and users of the platform have in common. */
export type CommonDecision =
  | { readonly granted: true; readonly reason: 'FREE'; readonly until: Date | null }
  | { readonly granted: false; readonly reason: 'NO_AUDIENCE' }
  | {
      readonly granted: false;
      readonly reason: 'PLAN_NOT_ELIGIBLE';
      readonly eligiblePlans: readonly string[];
    }
  | {
      readonly granted: false;
      readonly reason: 'PURCHASE_NOT_STARTED';
      readonly addOnPurchaseId: string;
      readonly startsOn: CalendarDay;
      readonly wouldBeGrantedBy: readonly string[];
    }
  | {
      readonly granted: false;
      readonly reason: 'PURCHASE_EXPIRED';
      readonly addOnPurchaseId: string;
      readonly expiredOn: CalendarDay;
      readonly wouldBeGrantedBy: readonly string[];
    };

/** Why a unit primitive is among the scopes or not: the usual question to support. */
export type Decision = { readonly unitPrimitive: string } & (
  | CommonDecision
  | {
      readonly granted: true;
      readonly reason: 'ADD_ON_PURCHASED';
      readonly addOnPurchaseId: string;
      readonly until: CalendarDay;
    }
  | {
      readonly granted: false;
      readonly reason: 'GITLAB_VERSION_TOO_OLD';
      readonly minGitlabVersion: string;
    }
  | {
      readonly granted: false;
      readonly reason: 'NO_ACTIVE_PURCHASE';
      readonly wouldBeGrantedBy: readonly string[];
    }
);

export interface Resolution {
  /** One for each unit primitive of the catalog, in its order. */
  readonly decisions: readonly Decision[];
  /** The names of the granted unit primitives, sorted. */
  readonly scopes: readonly string[];
  /** The audiences of their backend services, sorted, each once. Empty only if `scopes` is. */
  readonly audiences: readonly string[];
}
