import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CalendarDay } from '../domain/calendar-day.js';
import {
  type ErrorByConstraint,
  translatingConstraints,
} from '../database/constraint-violation.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';

/** A seat of a purchase that a user holds. */
export interface SeatAssignment {
  readonly id: string;
  /** The platform's own id of the user. */
  readonly userId: string;
  readonly assignedAt: Date;
}

const COLUMNS = `id, user_id AS "userId", assigned_at AS "assignedAt"`;

const ASSIGN = `
  INSERT INTO seat_assignments (id, add_on_purchase_id, user_id, assigned_at, carried_from)
  SELECT given.id, $1, given.user_id, $2, $5
  FROM unnest($3::uuid[], $4::text[]) AS given (id, user_id)
  ON CONFLICT (add_on_purchase_id, user_id) WHERE released_at IS NULL DO NOTHING`;

/** A seat that was carried over counts as assigned from then on. */
const CLAIM = `
  UPDATE seat_assignments SET carried_from = NULL
  WHERE add_on_purchase_id = $1 AND user_id = ANY($2) AND released_at IS NULL
    AND carried_from IS NOT NULL`;

const HELD = `
  SELECT ${COLUMNS} FROM seat_assignments
  WHERE add_on_purchase_id = $1 AND user_id = ANY($2) AND released_at IS NULL ORDER BY id`;

const LIST = `
  SELECT ${COLUMNS} FROM seat_assignments
  WHERE add_on_purchase_id = $1 AND released_at IS NULL
    AND ($2::uuid IS NULL OR id > $2) AND ($3::text IS NULL OR user_id = $3)
  ORDER BY id LIMIT $4`;

// TypeORM answers an UPDATE with the rows and their number, but a SELECT with the rows alone.
const RELEASE = `
  WITH released AS (
    UPDATE seat_assignments SET released_at = $2
    WHERE add_on_purchase_id = $1 AND user_id = ANY($3) AND released_at IS NULL
    RETURNING id, user_id, assigned_at
  )
  SELECT ${COLUMNS} FROM released ORDER BY id`;

// A purchase that is being extended at this moment is locked: the next run looks at it.
const LOCK_ABANDONED = `
  SELECT id FROM add_on_purchases
  WHERE assigned_seats > 0 AND (voided_at IS NOT NULL OR expires_on <= $1)
  LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED`;

const RELEASE_ALL = `
  WITH released AS (
    UPDATE seat_assignments SET released_at = $2
    WHERE add_on_purchase_id = ANY($1) AND released_at IS NULL RETURNING 1
  )
  SELECT count(*)::int AS seats FROM released`;

@Injectable()
export class SeatAssignmentRepository {
  /**
   * Gives each of these users a seat of a purchase that this transaction has locked, or gives none at all.
   * A user who has a seat keeps it.
   * @throws {IssuerError} SEATS_EXHAUSTED with how many are free, ADD_ON_WITHOUT_SEATS
   */
  async assign(
    manager: EntityManager,
    purchase: AddOnPurchaseEntity,
    userIds: readonly string[],
    now: Date,
  ): Promise<void> {
    await manager.query(CLAIM, [purchase.id, userIds]);
    await translatingConstraints(errorsOf(purchase), () =>
      this.insert(manager, purchase.id, userIds, null, now),
    );
  }

  /**
   * Gives these users a seat. One who has a seat keeps it.
   * @param carriedFrom the purchase from which the seats are carried over; null: an admin assigns them
   */
  async insert(
    manager: EntityManager,
    purchaseId: string,
    userIds: readonly string[],
    carriedFrom: string | null,
    now: Date,
  ): Promise<void> {
    // Sorted, so that the last user of the list gets the newest seat.
    const ids = userIds.map(() => newId(now)).sort();
    await manager.query(ASSIGN, [purchaseId, now, ids, userIds, carriedFrom]);
  }

  /** The seats that these users hold. */
  async heldBy(
    manager: EntityManager,
    purchaseId: string,
    userIds: readonly string[],
  ): Promise<SeatAssignment[]> {
    return manager.query<SeatAssignment[]>(HELD, [purchaseId, userIds]);
  }

  /** The seats of a purchase, or that of one user. */
  async list(
    manager: EntityManager,
    purchaseId: string,
    userId: string | null,
    page: PageRequest,
  ): Promise<SeatAssignment[]> {
    const values = [purchaseId, page.after, userId, rowsToFetch(page)];
    return manager.query<SeatAssignment[]>(LIST, values);
  }

  /** @returns the seats of those users who had one */
  async release(
    manager: EntityManager,
    purchaseId: string,
    userIds: readonly string[],
    now: Date,
  ): Promise<SeatAssignment[]> {
    return manager.query<SeatAssignment[]>(RELEASE, [purchaseId, now, userIds]);
  }

  /** Locks some purchases that were voided, or had ended on `day`, and still have seats assigned. */
  async lockAbandoned(manager: EntityManager, day: CalendarDay): Promise<readonly string[]> {
    const rows = await manager.query<{ id: string }[]>(LOCK_ABANDONED, [day]);
    return rows.map(({ id }) => id);
  }

  /** @returns how many seats these purchases had assigned */
  async releaseAll(
    manager: EntityManager,
    purchaseIds: readonly string[],
    now: Date,
  ): Promise<number> {
    const [row] = await manager.query<{ seats: number }[]>(RELEASE_ALL, [purchaseIds, now]);
    return row?.seats ?? 0;
  }

  /** Deletes what was released before `instant`. */
  async deleteReleased(manager: EntityManager, instant: Date): Promise<void> {
    await manager.query('DELETE FROM seat_assignments WHERE released_at < $1', [instant]);
  }
}

function errorsOf({ addOn, quantity, assignedSeats }: AddOnPurchaseEntity): ErrorByConstraint {
  const free = quantity - assignedSeats;
  return {
    add_on_purchases_assigned_seats_check: () =>
      new IssuerError(
        'SEATS_EXHAUSTED',
        `Only ${free} of ${quantity} seats are free, so no seat was assigned. Release some, or raise the ` +
          'quantity of the purchase.',
        { members: { free_seats: free, quantity } },
      ),
    add_on_purchases_seat_add_on_check: () =>
      new IssuerError(
        'ADD_ON_WITHOUT_SEATS',
        `${addOn} has no seats: only duo_pro and duo_enterprise have.`,
      ),
  };
}
