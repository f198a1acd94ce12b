import type { CalendarDay } from './calendar-day.js';
import type { CommonDecision } from './scope-decision.js';

/** Why a user or a namespace of the platform has a unit primitive or not. */
export type SelfIssuedDecision = { readonly unitPrimitive: string } & (
  | CommonDecision
  | {
      readonly granted: true;
      /** SEAT_ASSIGNED for a user, ADD_ON_PURCHASED for a namespace. */
      readonly reason: 'SEAT_ASSIGNED' | 'ADD_ON_PURCHASED';
      readonly addOnPurchaseId: string;
      readonly until: CalendarDay;
    }
  | {
      readonly granted: false;
      /** Bought, but a stronger add-on of the namespace takes its place. */
      readonly reason: 'OUTRANKED';
      readonly addOnPurchaseId: string;
      readonly outrankedBy: string;
    }
  | {
      readonly granted: false;
      readonly reason: 'NO_SEAT' | 'NO_ACTIVE_PURCHASE';
      readonly wouldBeGrantedBy: readonly string[];
    }
);

export interface SelfIssuedResolution {
  /** One for each unit primitive that was asked about, in the order of the catalog. */
  readonly decisions: readonly SelfIssuedDecision[];
  /** The names of the granted unit primitives, sorted. */
  readonly scopes: readonly string[];
  /** The audiences of their backend services, sorted, each once. Empty only if `scopes` is. */
  readonly audiences: readonly string[];
}
