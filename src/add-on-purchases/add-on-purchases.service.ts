import { Injectable } from '@nestjs/common';
import { AdminWrites } from '../access-control/admin-writes.js';
import { CatalogStore } from '../catalog/catalog.service.js';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { CreateAddOnPurchaseBody, UpdateAddOnPurchaseBody } from './add-on-purchase.dto.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { newPurchase, purchaseChanges, requireADay } from './purchase-changes.js';

/** Records, changes and ends add-on purchases. */
@Injectable()
export class AddOnPurchasesService {
  constructor(
    private readonly licenses: LicenseRepository,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly catalog: CatalogStore,
    private readonly writes: AdminWrites,
  ) {}

  async create(licenseId: string, body: CreateAddOnPurchaseBody): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    return this.writes.run(async (manager, now) => {
      const { id } = await this.licenses.get(manager, licenseId);
      const purchase = newPurchase({ licenseId: id }, changes, now);
      await this.purchases.insert(manager, purchase);
      return purchase;
    });
  }

  async update(
    id: string,
    body: UpdateAddOnPurchaseBody,
    ifMatch?: string,
  ): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    return this.writes.change(this.purchases, id, ifMatch, async (purchase, now, manager) => {
      if (purchase.voidedAt !== null) {
        throw new IssuerError(
          'PURCHASE_ENDED',
          'This purchase was called off before it started: record a new one instead.',
        );
      }
      const quantity = changes.quantity ?? purchase.quantity;
      if (body.release_seats === true && quantity < purchase.assignedSeats) {
        await this.purchases.releaseNewestSeats(manager, purchase, quantity, now);
      }
      Object.assign(purchase, changes);
      const moved = changes.startedAt !== undefined || changes.expiresOn !== undefined;
      if (moved) requireADay(purchase);
    });
  }

  /** It grants nothing from today on; one that has not started is voided. Twice does nothing. */
  async end(id: string, ifMatch?: string): Promise<AddOnPurchaseEntity> {
    return this.writes.change(this.purchases, id, ifMatch, (purchase, now) => {
      const phase = phaseOf(purchase, dayOf(now));
      if (phase === 'active') purchase.expiresOn = dayOf(now);
      if (phase === 'not_started') purchase.voidedAt = now;
    });
  }
}
