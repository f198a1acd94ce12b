import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import type { SeatAssignment } from './seat-assignment.repository.js';

/** A seat that a user of the platform holds, with its purchase. */
export interface UserSeat extends SeatAssignment {
  readonly purchaseId: string;
  readonly namespaceId: string;
  readonly addOn: string;
}

// Only purchases of namespaces: the instances of licenses have users of their own with the same ids.
const HELD = `
  FROM seat_assignments seat JOIN add_on_purchases purchase ON purchase.id = seat.add_on_purchase_id
  WHERE seat.user_id = $1 AND seat.released_at IS NULL AND purchase.namespace_id IS NOT NULL`;

const SEATS = `
  SELECT seat.id, seat.user_id AS "userId", seat.assigned_at AS "assignedAt",
    purchase.id AS "purchaseId", purchase.namespace_id AS "namespaceId", purchase.add_on AS "addOn"
  ${HELD}`;

const LOCK_NAMESPACES = `
  SELECT id FROM namespaces WHERE id IN (SELECT purchase.namespace_id ${HELD})
  ORDER BY id FOR NO KEY UPDATE`;

// The job that releases abandoned seats locks purchases, then seats. The same order here keeps the two from a deadlock.
const LOCK_PURCHASES = `
  SELECT FROM add_on_purchases WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`;

// A carried seat of a purchase to come is taken back after its source, and another user gets it.
const RELEASE = `
  UPDATE seat_assignments SET released_at = $2
  WHERE id = ANY($1) AND released_at IS NULL AND NOT EXISTS (
    SELECT FROM add_on_purchases purchase
    WHERE purchase.id = add_on_purchase_id AND carried_from IS NOT NULL AND voided_at IS NULL
      AND started_at > $3)`;

/** The seats of one user in all purchases of namespaces. */
@Injectable()
export class UserSeatRepository {
  async list(manager: EntityManager, userId: string, page: PageRequest): Promise<UserSeat[]> {
    return manager.query<UserSeat[]>(
      `${SEATS} AND ($2::uuid IS NULL OR seat.id > $2) ORDER BY seat.id LIMIT $3`,
      [userId, page.after, rowsToFetch(page)],
    );
  }

  /** Locks the namespaces in which the user has seats, then the purchases. */
  async lock(manager: EntityManager, userId: string): Promise<UserSeat[]> {
    const rows = await manager.query<{ id: string }[]>(LOCK_NAMESPACES, [userId]);
    const namespaces = rows.map(({ id }) => id);
    const inThem = `${SEATS} AND purchase.namespace_id = ANY($2) ORDER BY seat.id`;
    const seats = await manager.query<UserSeat[]>(inThem, [userId, namespaces]);
    await manager.query(LOCK_PURCHASES, [seats.map(({ purchaseId }) => purchaseId)]);
    return seats;
  }

  /** Releases seats whose purchases this transaction has locked. */
  async release(
    manager: EntityManager,
    seats: readonly UserSeat[],
    today: string,
    now: Date,
  ): Promise<void> {
    await manager.query(RELEASE, [seats.map(({ id }) => id), now, today]);
  }
}
