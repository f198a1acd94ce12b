import type { PurchasePhase } from '../domain/add-on-purchase.js';

/**
 * `phaseOf` as SQL: the condition that a purchase is in this phase.
 * @param day SQL for the day that is asked about
 * @param purchase the alias of `add_on_purchases`
 */
export function isInPhase(phase: PurchasePhase, day: string, purchase: string): string {
  const inForce = `${purchase}.voided_at IS NULL AND ${purchase}.expires_on > ${day}`;
  const conditions = {
    void: `${purchase}.voided_at IS NOT NULL`,
    expired: `${purchase}.voided_at IS NULL AND ${purchase}.expires_on <= ${day}`,
    not_started: `${inForce} AND ${purchase}.started_at > ${day}`,
    active: `${inForce} AND (${purchase}.started_at IS NULL OR ${purchase}.started_at <= ${day})`,
  } as const satisfies Record<PurchasePhase, string>;
  return conditions[phase];
}
