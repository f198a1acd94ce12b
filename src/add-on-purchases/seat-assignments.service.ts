import { Injectable } from '@nestjs/common';
import { AdminWrites } from '../access-control/admin-writes.js';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { type SeatAssignment, SeatAssignmentRepository } from './seat-assignment.repository.js';

/** Hands out the seats of purchases. That there are never too many is the database's promise. */
@Injectable()
export class SeatAssignmentsService {
  constructor(
    private readonly database: Database,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly seats: SeatAssignmentRepository,
    private readonly writes: AdminWrites,
  ) {}

  /**
   * Every one of these users has a seat afterwards, or nothing has changed. Twice does nothing.
   * @throws {IssuerError} NOT_FOUND, PURCHASE_ENDED, SEATS_EXHAUSTED, ADD_ON_WITHOUT_SEATS
   */
  async assign(purchaseId: string, userIds: readonly string[]): Promise<SeatAssignment[]> {
    return this.writes.run(async (manager, now) => {
      // Those of one purchase take turns: they cannot lock each other's users out, and the free
      // seats that a refusal tells of are what it has found.
      const purchase = await this.purchases.lock(manager, purchaseId);
      requireNotOver(purchase, now);
      const users = [...new Set(userIds)];
      await this.seats.assign(manager, purchase, users, now);
      return this.seats.heldBy(manager, purchaseId, users);
    });
  }

  /** Whoever has none is left alone. @returns what was released */
  async release(purchaseId: string, userIds: readonly string[]): Promise<SeatAssignment[]> {
    return this.writes.run(async (manager, now) => {
      await this.purchases.lock(manager, purchaseId);
      return this.seats.release(manager, purchaseId, userIds, now);
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

/** Seats may be assigned before the first day, which then begins with them. */
function requireNotOver(purchase: AddOnPurchaseEntity, now: Date): void {
  const phase = phaseOf(purchase, dayOf(now));
  if (phase === 'active' || phase === 'not_started') return;
  throw new IssuerError(
    'PURCHASE_ENDED',
    'This purchase is over, and its seats with it: assign those of another one.',
  );
}
