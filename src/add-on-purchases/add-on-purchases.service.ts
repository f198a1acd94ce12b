import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CatalogStore } from '../catalog/catalog.service.js';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { requireMatch } from '../http/entity-tag.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import type { CreateAddOnPurchaseBody, UpdateAddOnPurchaseBody } from './add-on-purchase.dto.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { type AddOnPurchaseFilter, AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { newPurchase, purchaseChanges, requireADay } from './purchase-changes.js';

/** The admin's use cases on add-on purchases. */
@Injectable()
export class AddOnPurchasesService {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly catalog: CatalogStore,
    private readonly clock: Clock,
  ) {}

  async create(licenseId: string, body: CreateAddOnPurchaseBody): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    const now = this.clock.now();
    const license = await this.licenses.get(this.database.manager, licenseId);
    const purchase = newPurchase({ licenseId: license.id, namespaceId: null }, changes, now);
    await this.purchases.insert(this.database.manager, purchase);
    return purchase;
  }

  async get(id: string): Promise<AddOnPurchaseEntity> {
    return this.purchases.get(this.database.manager, id);
  }

  async list(
    licenseId: string,
    filter: AddOnPurchaseFilter,
    page: PageRequest,
  ): Promise<Page<AddOnPurchaseEntity>> {
    const today = dayOf(this.clock.now());
    await this.licenses.get(this.database.manager, licenseId);
    return pageOf(
      await this.purchases.list(this.database.manager, { licenseId }, filter, page, today),
      page,
    );
  }

  async update(
    id: string,
    body: UpdateAddOnPurchaseBody,
    ifMatch?: string,
  ): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    return this.change(id, ifMatch, async (purchase, now, manager) => {
      if (purchase.voidedAt !== null) {
        throw new IssuerError(
          'PURCHASE_ENDED',
          'This purchase was called off before it started: register a new one instead.',
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
    return this.change(id, ifMatch, (purchase, now) => {
      const phase = phaseOf(purchase, dayOf(now));
      if (phase === 'active') purchase.expiresOn = dayOf(now);
      if (phase === 'not_started') purchase.voidedAt = now;
    });
  }

  private async change(
    id: string,
    ifMatch: string | undefined,
    apply: (
      purchase: AddOnPurchaseEntity,
      now: Date,
      manager: EntityManager,
    ) => void | Promise<void>,
  ): Promise<AddOnPurchaseEntity> {
    const now = this.clock.now();
    return this.database.transaction(async (manager) => {
      const purchase = await this.purchases.lock(manager, id);
      requireMatch(ifMatch, purchase.version);
      const before = JSON.stringify(purchase);
      await apply(purchase, now, manager);
      if (JSON.stringify(purchase) === before) return purchase;
      purchase.updatedAt = now;
      return this.purchases.save(manager, purchase);
    });
  }
}
