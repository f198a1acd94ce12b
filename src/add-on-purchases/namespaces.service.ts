import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AdminWrites } from '../access-control/admin-writes.js';
import { CatalogStore } from '../catalog/catalog.service.js';
import { requireKnownPlan } from '../catalog/known-names.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { CreateNamespacePurchaseBody } from './add-on-purchase.dto.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { CarriedSeats } from './carried-seats.js';
import { NamespaceEntity } from './namespace.entity.js';
import { NamespaceRepository } from './namespace.repository.js';
import { newPurchase, purchaseChanges } from './purchase-changes.js';

/** Records purchases for namespaces, and changes their plans. */
@Injectable()
export class NamespacesService {
  constructor(
    private readonly database: Database,
    private readonly namespaces: NamespaceRepository,
    private readonly catalog: CatalogStore,
    private readonly writes: AdminWrites,
    private readonly carriedSeats: CarriedSeats,
  ) {}

  /** The first purchase for a namespace creates it, with its plan. */
  async purchase(id: string, body: CreateNamespacePurchaseBody): Promise<AddOnPurchaseEntity> {
    const { catalog } = this.catalog.current();
    const changes = purchaseChanges(body, catalog);
    if (body.plan !== undefined) requireKnownPlan(body.plan, catalog);
    return this.writes.run(async (manager, now) => {
      const purchase = newPurchase({ namespaceId: id }, changes, now);
      await this.createUnlessKnown(manager, id, body.plan, now);
      return this.carriedSeats.record(manager, purchase, now);
    });
  }

  async get(id: string): Promise<NamespaceEntity> {
    return this.namespaces.get(this.database.manager, id);
  }

  async changePlan(id: string, plan: string, ifMatch?: string): Promise<NamespaceEntity> {
    requireKnownPlan(plan, this.catalog.current().catalog);
    return this.writes.change(this.namespaces, id, ifMatch, (namespace) => {
      namespace.plan = plan;
    });
  }

  private async createUnlessKnown(
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
      throw new IssuerError(
        'VALIDATION_FAILED',
        'The first purchase for a namespace must name its plan.',
        {
          errors: [{ pointer: '#/plan', detail: 'is required for the first purchase' }],
        },
      );
    }
    if (plan === undefined || known.plan === plan) return;
    throw new IssuerError(
      'NAMESPACE_PLAN_DIFFERS',
      'The namespace has another plan. Leave `plan` out, or change it with PATCH /api/v1/namespaces/<id>.',
      { members: { plan: known.plan } },
    );
  }
}
