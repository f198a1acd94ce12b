import { Injectable } from '@nestjs/common';
import { type EntityManager, MoreThan } from 'typeorm';
import type { PurchasePhase } from '../domain/add-on-purchase.js';
import type { CalendarDay } from '../domain/calendar-day.js';
import { canonicalAddOnName } from '../domain/catalog.js';
import type { PurchaseHolder } from '../domain/holder.js';
import {
  type ErrorByConstraint,
  translatingConstraints,
} from '../database/constraint-violation.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { isInPhase } from './purchase-phases.js';

/** Which purchases a list has; null filters nothing. */
export interface AddOnPurchaseFilter {
  readonly addOn: string | null;
  readonly phase: PurchasePhase | null;
}

const LOCK_LICENSE = 'SELECT FROM licenses WHERE id = $1 FOR NO KEY UPDATE';
const LOCK_NAMESPACE = 'SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE';

function overlaps(holder: string): IssuerError {
  return new IssuerError(
    'PURCHASE_OVERLAPS',
    `The ${holder} already has a purchase of this add-on on some of these days: change that purchase, ` +
      'or choose days that do not overlap.',
  );
}

const ERRORS: ErrorByConstraint = {
  add_on_purchases_overlap_excl: () => overlaps('license'),
  add_on_purchases_namespace_overlap_excl: () => overlaps('namespace'),
  add_on_purchases_expires_on_check: () =>
    new IssuerError('VALIDATION_FAILED', 'The purchase would end before it starts.', {
      errors: [{ pointer: '#/expires_on', detail: 'must be after started_at' }],
    }),
};

function seatsAssigned(assigned: number, advice: string): IssuerError {
  const detail = `Users hold ${assigned} seats of this purchase: ${advice}.`;
  return new IssuerError('SEATS_ASSIGNED', detail, { members: { assigned_seats: assigned } });
}

@Injectable()
export class AddOnPurchaseRepository {
  async insert(manager: EntityManager, purchase: AddOnPurchaseEntity): Promise<void> {
    await translatingConstraints(ERRORS, () => manager.insert(AddOnPurchaseEntity, purchase));
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<AddOnPurchaseEntity> {
    return orNotFound(await manager.findOneBy(AddOnPurchaseEntity, { id }));
  }

  /**
   * Reads the row and holds it until the transaction ends. Holds the row of the owner first: a change of
   * one purchase can change the seats of another one, so the purchases of one owner take turns.
   * @throws {IssuerError} NOT_FOUND
   */
  async lock(manager: EntityManager, id: string): Promise<AddOnPurchaseEntity> {
    const { licenseId, namespaceId } = await this.get(manager, id);
    if (licenseId !== null) await manager.query(LOCK_LICENSE, [licenseId]);
    else await manager.query(LOCK_NAMESPACE, [namespaceId]);
    const lock = { mode: 'pessimistic_write' } as const;
    return orNotFound(await manager.findOne(AddOnPurchaseEntity, { where: { id }, lock }));
  }

  /** Writes a row that this transaction has locked; its version counts up by one. */
  async save(manager: EntityManager, purchase: AddOnPurchaseEntity): Promise<AddOnPurchaseEntity> {
    const { assignedSeats } = purchase;
    const errors: ErrorByConstraint = {
      ...ERRORS,
      add_on_purchases_assigned_seats_check: () =>
        seatsAssigned(assignedSeats, 'release some first, or send release_seats with the quantity'),
      add_on_purchases_seat_add_on_check: () =>
        seatsAssigned(assignedSeats, 'the new add-on has no seats, so release them first'),
    };
    return translatingConstraints(errors, () => manager.save(AddOnPurchaseEntity, purchase));
  }

  /** Releases the newest seats of a purchase that this transaction has locked, until `keep` are left. */
  async releaseNewestSeats(
    manager: EntityManager,
    purchase: AddOnPurchaseEntity,
    keep: number,
    now: Date,
  ): Promise<void> {
    await manager.query(
      `UPDATE seat_assignments SET released_at = $2
       WHERE id IN (
         SELECT id FROM seat_assignments WHERE add_on_purchase_id = $1 AND released_at IS NULL
         ORDER BY assigned_at DESC, id DESC LIMIT $3)`,
      [purchase.id, now, purchase.assignedSeats - keep],
    );
    purchase.assignedSeats = keep;
  }

  /** Every purchase of a license, also ended, voided and future ones. */
  async ofLicense(manager: EntityManager, licenseId: string): Promise<AddOnPurchaseEntity[]> {
    return manager.find(AddOnPurchaseEntity, { where: { licenseId }, order: { id: 'ASC' } });
  }

  async list(
    manager: EntityManager,
    holder: PurchaseHolder,
    { addOn, phase }: AddOnPurchaseFilter,
    page: PageRequest,
    today: CalendarDay,
  ): Promise<AddOnPurchaseEntity[]> {
    const select = manager.createQueryBuilder(AddOnPurchaseEntity, 'p').where(holder);
    if (addOn !== null) select.andWhere({ addOn: canonicalAddOnName(addOn) });
    if (phase !== null) select.andWhere(isInPhase(phase, ':today', 'p'), { today });
    if (page.after !== null) select.andWhere({ id: MoreThan(page.after) });
    return select.orderBy('p.id', 'ASC').limit(rowsToFetch(page)).getMany();
  }
}

function orNotFound(purchase: AddOnPurchaseEntity | null): AddOnPurchaseEntity {
  if (purchase) return purchase;
  throw new IssuerError('NOT_FOUND', 'There is no add-on purchase with this id.');
}
