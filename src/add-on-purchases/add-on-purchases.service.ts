import { Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { phaseOf } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { canonicalAddOnName } from '../domain/catalog.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';
import { requireMatch } from '../platform/entity-tag.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { type Page, pageOf } from '../platform/paging.js';
import type {
  CreateAddOnPurchaseBody,
  ListAddOnPurchasesQuery,
  UpdateAddOnPurchaseBody,
} from './add-on-purchase.dto.js';
import { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';

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
    const changes = this.changesOf(body);
    const now = this.clock.now();
    const license = await this.licenses.get(this.database.manager, licenseId);
    const purchase = Object.assign(new AddOnPurchaseEntity(), {
      id: newId(now),
      licenseId: license.id,
      startedAt: null,
      purchaseXid: null,
      trial: false,
      ...changes,
      voidedAt: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
    });
    requireADay(purchase);
    await this.purchases.insert(this.database.manager, purchase);
    return purchase;
  }

  async get(id: string): Promise<AddOnPurchaseEntity> {
    return this.purchases.get(this.database.manager, id);
  }

  async list(
    licenseId: string,
    query: ListAddOnPurchasesQuery,
  ): Promise<Page<AddOnPurchaseEntity>> {
    const today = dayOf(this.clock.now());
    await this.licenses.get(this.database.manager, licenseId);
    return pageOf(await this.purchases.list(this.database.manager, licenseId, query, today), query);
  }

  async update(
    id: string,
    body: UpdateAddOnPurchaseBody,
    ifMatch?: string,
  ): Promise<AddOnPurchaseEntity> {
    const changes = this.changesOf(body);
    return this.change(id, ifMatch, (purchase) => {
      if (purchase.voidedAt !== null) {
        throw new IssuerError(
          'PURCHASE_ENDED',
          'This purchase was called off before it started: register a new one instead.',
        );
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
    apply: (purchase: AddOnPurchaseEntity, now: Date) => void,
  ): Promise<AddOnPurchaseEntity> {
    const now = this.clock.now();
    return this.database.transaction(async (manager) => {
      const purchase = await this.purchases.lock(manager, id);
      requireMatch(ifMatch, purchase.version);
      const before = JSON.stringify(purchase);
      apply(purchase, now);
      if (JSON.stringify(purchase) === before) return purchase;
      purchase.updatedAt = now;
      return this.purchases.save(manager, purchase);
    });
  }

  /** The members that `body` names, as columns; what it leaves out stays as it is. */
  private changesOf(body: UpdateAddOnPurchaseBody): Partial<AddOnPurchaseEntity> {
    const changes = {
      addOn: body.add_on === undefined ? undefined : this.knownAddOn(body.add_on),
      quantity: body.quantity,
      startedAt: body.started_at,
      expiresOn: body.expires_on,
      purchaseXid: body.purchase_xid,
      trial: body.trial,
    };
    return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  }

  private knownAddOn(given: string): string {
    const name = canonicalAddOnName(given);
    const known = this.catalog.current().catalog.addOns.map((addOn) => addOn.name);
    if (known.includes(name)) return name;
    throw new IssuerError('VALIDATION_FAILED', 'The catalog has no such add-on.', {
      errors: [{ pointer: '#/add_on', detail: `must be one of ${known.join(', ')}` }],
    });
  }
}

/** What a purchase that was ended on its first day is left with, none may be given on purpose. */
function requireADay({ startedAt, expiresOn }: AddOnPurchaseEntity): void {
  if (startedAt === null || expiresOn > startedAt) return;
  throw new IssuerError('VALIDATION_FAILED', 'The purchase would end before it starts.', {
    errors: [{ pointer: '#/expires_on', detail: 'must be after started_at' }],
  });
}
