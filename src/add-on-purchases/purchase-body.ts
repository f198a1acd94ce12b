import { Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { knownAddOn, requireKnownPlan } from '../catalog/known-names.js';
import { BodyValidation, faultsOf } from '../http/validation.js';
import type { CreateNamespacePurchaseBody } from './add-on-purchase.dto.js';
import { requireADay } from './purchase-changes.js';

/** The body of a new or a changed purchase: members are compared with each other and with the catalog. */
@Injectable()
export class PurchaseBodyValidation extends BodyValidation<CreateNamespacePurchaseBody> {
  constructor(catalog: CatalogStore) {
    super((body) => {
      const { add_on, plan, started_at: startedAt = null, expires_on: expiresOn } = body;
      const { catalog: inForce } = catalog.current();
      return [
        ...(add_on === undefined ? [] : faultsOf(() => knownAddOn(add_on, inForce))),
        ...(plan === undefined
          ? []
          : faultsOf(() => {
              requireKnownPlan(plan, inForce);
            })),
        ...(expiresOn === undefined
          ? []
          : faultsOf(() => {
              requireADay({ startedAt, expiresOn });
            })),
      ];
    });
  }
}
