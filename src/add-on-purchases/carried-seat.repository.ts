import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CalendarDay } from '../domain/calendar-day.js';
import { SEAT_ADD_ONS } from '../domain/resolve-self-issued-scopes.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';

export type PurchaseOwner = Pick<AddOnPurchaseEntity, 'licenseId' | 'namespaceId'>;

/** A purchase, and the one that begins where it ends. */
export interface FollowingPurchases {
  readonly from: string;
  readonly into: string;
  /** Free seats of the second one. */
  readonly free: number;
}

const owns = (purchase: string) => `(${purchase}.license_id = $1 OR ${purchase}.namespace_id = $2)`;

/** That `next` begins where `previous` ends. Without voided ones, and without one that follows itself. */
const FOLLOWS = `next.add_on = previous.add_on AND next.started_at = previous.expires_on
  AND next.id <> previous.id AND next.voided_at IS NULL AND previous.voided_at IS NULL`;

const FOLLOWING = `
  SELECT previous.id AS "from", next.id AS "into", next.quantity - next.assigned_seats AS free
  FROM add_on_purchases previous JOIN add_on_purchases next ON ${FOLLOWS}
  WHERE ${owns('previous')} AND ${owns('next')} AND next.add_on = ANY($3)
  ORDER BY next.started_at, previous.started_at NULLS FIRST, previous.id`;

// TypeORM answers an UPDATE with the rows and their number, but a SELECT with the rows alone.
const TAKE_BACK_STALE = `
  WITH taken AS (
    UPDATE seat_assignments carried SET released_at = $4
    FROM add_on_purchases next
    WHERE next.id = carried.add_on_purchase_id AND ${owns('next')} AND next.started_at > $3
      AND next.voided_at IS NULL
      AND carried.carried_from IS NOT NULL AND carried.released_at IS NULL
      AND NOT EXISTS (
        SELECT FROM add_on_purchases previous
        JOIN seat_assignments held ON held.add_on_purchase_id = previous.id
        WHERE previous.id = carried.carried_from AND ${FOLLOWS}
          AND held.user_id = carried.user_id AND held.released_at IS NULL)
    RETURNING carried.id, carried.add_on_purchase_id
  )
  SELECT id, add_on_purchase_id AS "purchaseId" FROM taken`;

const TAKE_BACK_NEWEST = `
  WITH taken AS (
    UPDATE seat_assignments SET released_at = $2
    WHERE id IN (
      SELECT id FROM seat_assignments
      WHERE add_on_purchase_id = $1 AND carried_from IS NOT NULL AND released_at IS NULL
      ORDER BY assigned_at DESC, id DESC LIMIT $3)
    RETURNING id
  )
  SELECT id FROM taken`;

const MAKE_OWN = `
  UPDATE seat_assignments SET carried_from = NULL
  WHERE add_on_purchase_id = $1 AND carried_from IS NOT NULL AND released_at IS NULL`;

// An admin who released the seat in the second purchase meant it, unless the user has since been
// assigned a seat of the first one again.
const NEXT_IN_LINE = `
  SELECT seat.user_id AS "userId" FROM seat_assignments seat
  WHERE seat.add_on_purchase_id = $1 AND seat.released_at IS NULL AND NOT EXISTS (
    SELECT FROM seat_assignments own
    WHERE own.add_on_purchase_id = $2 AND own.user_id = seat.user_id
      AND (own.released_at IS NULL OR own.released_at >= seat.assigned_at))
  ORDER BY seat.assigned_at, seat.id LIMIT $3`;

/** Seats that were carried over. Call all of this with the row of the owner locked. */
@Injectable()
export class CarriedSeatRepository {
  /** The purchases of an owner that follow on one another without a gap, in the order of time. */
  async following(manager: EntityManager, owner: PurchaseOwner): Promise<FollowingPurchases[]> {
    const values = [owner.licenseId, owner.namespaceId, SEAT_ADD_ONS];
    return manager.query<FollowingPurchases[]>(FOLLOWING, values);
  }

  /** The users of `from` who have no seat of `into`, the earliest assigned first. */
  async nextInLine(
    manager: EntityManager,
    { from, into }: FollowingPurchases,
    limit: number,
  ): Promise<string[]> {
    const rows = await manager.query<{ userId: string }[]>(NEXT_IN_LINE, [from, into, limit]);
    return rows.map(({ userId }) => userId);
  }

  /**
   * Takes back the seats of purchases that have not started whose source is gone: the user holds no seat of
   * the first purchase any more, or the second one no longer follows on it.
   * @returns the purchase of each of them
   */
  async takeBackStale(
    manager: EntityManager,
    owner: PurchaseOwner,
    today: CalendarDay,
    now: Date,
  ): Promise<string[]> {
    const values = [owner.licenseId, owner.namespaceId, today, now];
    const taken = await manager.query<{ id: string; purchaseId: string }[]>(
      TAKE_BACK_STALE,
      values,
    );
    await forget(manager, taken);
    return taken.map(({ purchaseId }) => purchaseId);
  }

  /** Carried seats of a purchase that has started count as assigned ones from then on. */
  async makeOwn(manager: EntityManager, purchaseId: string): Promise<void> {
    await manager.query(MAKE_OWN, [purchaseId]);
  }

  /** Takes back the newest carried seats of a purchase that has not started. @returns how many */
  async takeBackNewest(
    manager: EntityManager,
    purchaseId: string,
    seats: number,
    now: Date,
  ): Promise<number> {
    const values = [purchaseId, now, seats];
    const taken = await manager.query<{ id: string }[]>(TAKE_BACK_NEWEST, values);
    await forget(manager, taken);
    return taken.length;
  }
}

/** They have given no access, so nothing has to explain them. Gone, they can be carried over again. */
async function forget(manager: EntityManager, seats: readonly { id: string }[]): Promise<void> {
  if (seats.length === 0) return;
  await manager.query('DELETE FROM seat_assignments WHERE id = ANY($1)', [
    seats.map(({ id }) => id),
  ]);
}
