import { Injectable } from '@nestjs/common';
import { AdminWrites } from '../access-control/admin-writes.js';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { CarriedSeats, FILL_NOTHING } from './carried-seats.js';
import { type SeatAssignment, SeatAssignmentRepository } from './seat-assignment.repository.js';

/** Assigns and releases the seats of purchases. The database never lets more be assigned than there are. */
@Injectable()
export class SeatAssignmentsService {
  constructor(
    private readonly database: Database,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly seats: SeatAssignmentRepository,
    private readonly writes: AdminWrites,
    private readonly carried: CarriedSeats,
  ) {}

  /**
   * Afterwards each of these users has a seat, or nothing has changed. Twice does nothing.
   * @throws {IssuerError} NOT_FOUND, PURCHASE_ENDED, SEATS_EXHAUSTED, ADD_ON_WITHOUT_SEATS
   */
  async assign(purchaseId: string, userIds: readonly string[]): Promise<SeatAssignment[]> {
    return this.writes.run(async (manager, now) => {
      // Calls for one purchase take turns, so they cannot deadlock, and a refusal knows how many seats
      // are free.
      const purchase = await this.purchases.lock(manager, purchaseId);
      requireNotOver(purchase, now);
      const users = [...new Set(userIds)];
      await this.seats.assign(manager, purchase, users, now);
      await this.carried.settle(manager, purchase, { into: null, from: purchaseId }, now);
      return this.seats.heldBy(manager, purchaseId, users);
    });
  }

  /** @returns what was released; a user without a seat is not in it */
  async release(purchaseId: string, userIds: readonly string[]): Promise<SeatAssignment[]> {
    return this.writes.run(async (manager, now) => {
      const purchase = await this.purchases.lock(manager, purchaseId);
      const released = await this.seats.release(manager, purchaseId, userIds, now);
      await this.carried.settle(manager, purchase, FILL_NOTHING, now);
      return released;
    });
  }

  /** @param userId only the seat of this user; null: all seats */
  async list(
    purchaseId: string,
    userId: string | null,
    page: PageRequest,
  ): Promise<Page<SeatAssignment>> {
    const { manager } = this.database;
    await this.purchases.get(manager, purchaseId);
    return pageOf(await this.seats.list(manager, purchaseId, userId, page), page);
  }
}

/** Seats may be assigned before the first day of the purchase. */
function requireNotOver(purchase: AddOnPurchaseEntity, now: Date): void {
  const phase = phaseOf(purchase, dayOf(now));
  if (phase === 'active' || phase === 'not_started') return;
  throw new IssuerError(
    'PURCHASE_ENDED',
    'This purchase has ended, so it has no seats any more. Assign seats of another one.',
  );
}
