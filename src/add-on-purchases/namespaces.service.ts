import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CatalogStore } from '../catalog/catalog.service.js';
import { dayOf } from '../domain/calendar-day.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { requireMatch } from '../http/entity-tag.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import type { CreateNamespacePurchaseBody } from './add-on-purchase.dto.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { type AddOnPurchaseFilter, AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { NamespaceEntity } from './namespace.entity.js';
import { NamespaceRepository } from './namespace.repository.js';
import { newPurchase, purchaseChanges } from './purchase-changes.js';

/** The admin's use cases on namespaces and what was bought for them. */
@Injectable()
export class NamespacesService {
  constructor(
    private readonly database: Database,
    private readonly namespaces: NamespaceRepository,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly catalog: CatalogStore,
    private readonly clock: Clock,
  ) {}

  /** The first purchase makes the namespace known, and says its plan. */
  async purchase(id: string, body: CreateNamespacePurchaseBody): Promise<AddOnPurchaseEntity> {
    const changes = purchaseChanges(body, this.catalog.current().catalog);
    if (body.plan !== undefined) this.requireKnownPlan(body.plan);
    const now = this.clock.now();
    const purchase = newPurchase({ licenseId: null, namespaceId: id }, changes, now);
    await this.database.transaction(async (manager) => {
      await this.ensure(manager, id, body.plan, now);
      await this.purchases.insert(manager, purchase);
    });
    return purchase;
  }

  async list(
    id: string,
    filter: AddOnPurchaseFilter,
    page: PageRequest,
  ): Promise<Page<AddOnPurchaseEntity>> {
    const { manager } = this.database;
    const today = dayOf(this.clock.now());
    await this.namespaces.get(manager, id);
    const rows = await this.purchases.list(manager, { namespaceId: id }, filter, page, today);
    return pageOf(rows, page);
  }

  async get(id: string): Promise<NamespaceEntity> {
    return this.namespaces.get(this.database.manager, id);
  }

  async changePlan(id: string, plan: string, ifMatch?: string): Promise<NamespaceEntity> {
    this.requireKnownPlan(plan);
    const now = this.clock.now();
    return this.database.transaction(async (manager) => {
      const namespace = await this.namespaces.lock(manager, id);
      requireMatch(ifMatch, namespace.version);
      if (namespace.plan === plan) return namespace;
      return this.namespaces.save(manager, Object.assign(namespace, { plan, updatedAt: now }));
    });
  }

  private async ensure(
    manager: EntityManager,
    id: string,
    plan: string | undefined,
    now: Date,
  ): Promise<void> {
    if (plan !== undefined) {
      const row = { id, plan, version: 1, createdAt: now, updatedAt: now };
      await this.namespaces.insertIfUnknown(manager, Object.assign(new NamespaceEntity(), row));
    }
    const known = await this.namespaces.find(manager, id);
    if (!known) {
      throw new IssuerError('VALIDATION_FAILED', 'Its first purchase has to say the plan.', {
        errors: [
          { pointer: '#/plan', detail: 'is required for a namespace that is not known yet' },
        ],
      });
    }
    if (plan === undefined || known.plan === plan) return;
    throw new IssuerError(
      'NAMESPACE_PLAN_DIFFERS',
      'The namespace has another plan: change that by PATCH /api/v1/namespaces/<id>, or leave it out.',
      { members: { plan: known.plan } },
    );
  }

  private requireKnownPlan(plan: string): void {
    const known = this.catalog.current().catalog.licenseTypes.map(({ name }) => name);
    if (known.includes(plan)) return;
    throw new IssuerError('VALIDATION_FAILED', 'The catalog has no such plan.', {
      errors: [{ pointer: '#/plan', detail: `must be one of ${known.join(', ')}` }],
    });
  }
}
