import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AdminWrites } from '../access-control/admin-writes.js';
import { CatalogStore } from '../catalog/catalog.service.js';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { CreateAddOnPurchaseBody, UpdateAddOnPurchaseBody } from './add-on-purchase.dto.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { CarriedSeats, type SeatsToFill } from './carried-seats.js';
import { newPurchase, purchaseChanges, requireADay } from './purchase-changes.js';

/** Records, changes and ends add-on purchases. */
@Injectable()
export class AddOnPurchasesService {
  constructor(
    private readonly licenses: LicenseRepository,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly catalog: CatalogStore,
    private readonly writes: AdminWrites,
    private readonly carriedSeats: CarriedSeats,
  ) {}

  async create(licenseId: string, body: CreateAddOnPurchaseBody): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    return this.writes.run(async (manager, now) => {
      const { id } = await this.licenses.get(manager, licenseId);
      const purchase = newPurchase({ licenseId: id }, changes, now);
      return this.carriedSeats.record(manager, purchase, now);
    });
  }

  async update(
    id: string,
    body: UpdateAddOnPurchaseBody,
    ifMatch?: string,
  ): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    const fill = { into: false, from: false };
    const rows = this.rowsThatFill(fill);
    return this.writes.change(rows, id, ifMatch, async (purchase, now, manager) => {
      if (purchase.voidedAt !== null) {
        throw new IssuerError(
          'PURCHASE_ENDED',
          'This purchase was called off before it started: record a new one instead.',
        );
      }
      const { addOn, startedAt, expiresOn } = purchase;
      const before = { addOn, startedAt, expiresOn, quantity: purchase.quantity };
      const quantity = changes.quantity ?? purchase.quantity;
      const keep = (changes.addOn ?? addOn) === addOn ? quantity : 0;
      await this.carriedSeats.keepOfStarted(manager, purchase, now);
      await this.carriedSeats.makeRoom(manager, purchase, keep, now);
      if (body.release_seats === true && quantity < purchase.assignedSeats) {
        await this.purchases.releaseNewestSeats(manager, purchase, quantity, now);
      }
      Object.assign(purchase, changes);
      const moved = changes.startedAt !== undefined || changes.expiresOn !== undefined;
      if (moved) requireADay(purchase);
      Object.assign(fill, fillOf(before, purchase));
    });
  }

  /** It grants nothing from today on; one that has not started is voided. Twice does nothing. */
  async end(id: string, ifMatch?: string): Promise<AddOnPurchaseEntity> {
    return this.writes.change(this.rowsThatFill({}), id, ifMatch, (purchase, now) => {
      const phase = phaseOf(purchase, dayOf(now));
      if (phase === 'active') purchase.expiresOn = dayOf(now);
      if (phase === 'not_started') purchase.voidedAt = now;
    });
  }

  /** The rows of purchases. Saving one also carries its seats over to the purchase that follows. */
  private rowsThatFill(fill: Readonly<Partial<Record<keyof SeatsToFill, boolean>>>) {
    return {
      lock: (manager: EntityManager, id: string) => this.purchases.lock(manager, id),
      save: async (manager: EntityManager, changed: AddOnPurchaseEntity) => {
        const { id, updatedAt } = await this.purchases.save(manager, changed);
        const seats = { into: fill.into ? id : null, from: fill.from ? id : null };
        await this.carriedSeats.settle(manager, changed, seats, updatedAt);
        return this.purchases.get(manager, id);
      },
    };
  }
}

type Place = Pick<AddOnPurchaseEntity, 'addOn' | 'quantity' | 'startedAt' | 'expiresOn'>;

/** Which free seats a change may fill: those of a purchase that grows or moves, and those of the one that follows. */
function fillOf(before: Place, after: Place) {
  const isOther = before.addOn !== after.addOn;
  const isLarger = after.quantity > before.quantity;
  return {
    into: isOther || isLarger || before.startedAt !== after.startedAt,
    from: isOther || before.expiresOn !== after.expiresOn,
  };
}
