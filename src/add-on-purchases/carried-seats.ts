import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import {
  CarriedSeatRepository,
  type FollowingPurchases,
  type PurchaseOwner,
} from './carried-seat.repository.js';
import { SeatAssignmentRepository } from './seat-assignment.repository.js';

/** Which free seats a change may fill. Without them, only the seats that the change took back are given on. */
export interface SeatsToFill {
  /** Seats of this purchase, from the one before it. */
  readonly into: string | null;
  /** Seats of the purchase that follows on this one. */
  readonly from: string | null;
}

export const FILL_NOTHING: SeatsToFill = { into: null, from: null };

/**
 * Lets users keep their seats when a purchase follows on theirs without a gap. Seats are carried over when
 * purchases and seats are written, not when the day comes: then no clock, job or replica can be late.
 * Until the second purchase starts, its carried seats follow every change of the first one.
 */
@Injectable()
export class CarriedSeats {
  constructor(
    private readonly purchases: AddOnPurchaseRepository,
    private readonly carried: CarriedSeatRepository,
    private readonly seats: SeatAssignmentRepository,
  ) {}

  /** Records a purchase; users of the one before it get its seats. */
  async record(
    manager: EntityManager,
    purchase: AddOnPurchaseEntity,
    now: Date,
  ): Promise<AddOnPurchaseEntity> {
    await this.purchases.insert(manager, purchase);
    await this.settle(manager, purchase, { into: purchase.id, from: purchase.id }, now);
    return this.purchases.get(manager, purchase.id);
  }

  /** Call it after each change of a purchase or its seats, with the row of the owner locked. */
  async settle(
    manager: EntityManager,
    owner: PurchaseOwner,
    fill: SeatsToFill,
    now: Date,
  ): Promise<void> {
    const takenBack = await this.takeBackStale(manager, owner, now);
    const grown = new Set<string>();
    const given = new Map<string, number>();
    for (const pair of await this.carried.following(manager, owner)) {
      const { from, into } = pair;
      const isToFill = into === fill.into || from === fill.from || grown.has(from);
      const free = pair.free - (given.get(into) ?? 0);
      const room = isToFill ? free : Math.min(free, takenBack.get(into) ?? 0);
      const users = room > 0 ? await this.carry(manager, pair, room, now) : 0;
      if (users > 0) grown.add(into);
      given.set(into, (given.get(into) ?? 0) + users);
    }
  }

  /**
   * Seats of a purchase that has started have given access. When it is moved into the future they stay, and
   * so do their rows, which explain that access. Call it before the change.
   */
  async keepOfStarted(
    manager: EntityManager,
    purchase: AddOnPurchaseEntity,
    now: Date,
  ): Promise<void> {
    if (phaseOf(purchase, dayOf(now)) === 'not_started') return;
    await this.carried.makeOwn(manager, purchase.id);
  }

  /**
   * Makes room for a lower quantity, or for another add-on, of a purchase that has not started: seats that
   * were only carried over are no reason to refuse that.
   */
  async makeRoom(
    manager: EntityManager,
    purchase: AddOnPurchaseEntity,
    keep: number,
    now: Date,
  ): Promise<void> {
    const tooMany = purchase.assignedSeats - keep;
    if (tooMany <= 0 || phaseOf(purchase, dayOf(now)) !== 'not_started') return;
    const { id } = purchase;
    purchase.assignedSeats -= await this.carried.takeBackNewest(manager, id, tooMany, now);
  }

  /** A seat that is taken back may be the source of another one, so it looks again until none is left. */
  private async takeBackStale(
    manager: EntityManager,
    owner: PurchaseOwner,
    now: Date,
  ): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    let taken: readonly string[];
    do {
      taken = await this.carried.takeBackStale(manager, owner, dayOf(now), now);
      for (const purchase of taken) counts.set(purchase, (counts.get(purchase) ?? 0) + 1);
    } while (taken.length > 0);
    return counts;
  }

  private async carry(
    manager: EntityManager,
    pair: FollowingPurchases,
    room: number,
    now: Date,
  ): Promise<number> {
    const users = await this.carried.nextInLine(manager, pair, room);
    if (users.length > 0) await this.seats.insert(manager, pair.into, users, pair.from, now);
    return users.length;
  }
}
