import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { dayOf } from '../domain/calendar-day.js';
import type { PurchaseHolder } from '../domain/holder.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { type AddOnPurchaseFilter, AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { NamespaceRepository } from './namespace.repository.js';

@Injectable()
export class ReadAddOnPurchases {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly namespaces: NamespaceRepository,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly clock: Clock,
  ) {}

  /** @throws {IssuerError} NOT_FOUND */
  async get(id: string): Promise<AddOnPurchaseEntity> {
    return this.purchases.get(this.database.manager, id);
  }

  /** @throws {IssuerError} NOT_FOUND for an unknown holder */
  async list(
    holder: PurchaseHolder,
    filter: AddOnPurchaseFilter,
    page: PageRequest,
  ): Promise<Page<AddOnPurchaseEntity>> {
    const { manager } = this.database;
    const today = dayOf(this.clock.now());
    if ('licenseId' in holder) await this.licenses.get(manager, holder.licenseId);
    else await this.namespaces.get(manager, holder.namespaceId);
    return pageOf(await this.purchases.list(manager, holder, filter, page, today), page);
  }
}
