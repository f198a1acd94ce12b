import type { CalendarDay } from './calendar-day.js';

/** One add-on, bought for a span of days. Its dates do not depend on the license's. */
export interface AddOnPurchase {
  readonly id: string;
  /** The catalog's name of the add-on, never an alias. */
  readonly addOn: string;
  readonly quantity: number;
  /** The first day; null means that it has always been running. */
  readonly startedAt: CalendarDay | null;
  /** The first day on which it is over. */
  readonly expiresOn: CalendarDay;
  /** Set when it was cancelled before it started: it never counts. */
  readonly voidedAt: Date | null;
}

export const PURCHASE_PHASES = ['active', 'not_started', 'expired', 'void'] as const;
export type PurchasePhase = (typeof PURCHASE_PHASES)[number];

/** Half-open, in UTC days: the first day counts, the day of `expiresOn` no longer does. */
export function phaseOf(purchase: AddOnPurchase, today: CalendarDay): PurchasePhase {
  if (purchase.voidedAt !== null || purchase.quantity < 1) return 'void';
  if (today >= purchase.expiresOn) return 'expired';
  if (purchase.startedAt !== null && today < purchase.startedAt) return 'not_started';
  return 'active';
}
