import { knownAddOn } from '../catalog/known-names.js';
import type { Catalog } from '../domain/catalog.js';
import type { PurchaseHolder } from '../domain/holder.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import type { UpdateAddOnPurchaseBody } from './add-on-purchase.dto.js';
import { AddOnPurchaseEntity } from './add-on-purchase.entity.js';

/**
 * The members that `body` names, as columns; what it leaves out stays as it is.
 * @throws {IssuerError} VALIDATION_FAILED for an add-on that the catalog does not have
 */
export function purchaseChanges(
  body: UpdateAddOnPurchaseBody,
  catalog: Catalog,
): Partial<AddOnPurchaseEntity> {
  const changes = {
    addOn: body.add_on === undefined ? undefined : knownAddOn(body.add_on, catalog),
    quantity: body.quantity,
    startedAt: body.started_at,
    expiresOn: body.expires_on,
    purchaseXid: body.purchase_xid,
    trial: body.trial,
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

/** @throws {IssuerError} VALIDATION_FAILED when it would end before its first day is over */
export function newPurchase(
  holder: PurchaseHolder,
  changes: Partial<AddOnPurchaseEntity>,
  now: Date,
): AddOnPurchaseEntity {
  const purchase = Object.assign(new AddOnPurchaseEntity(), {
    id: newId(now),
    licenseId: null,
    namespaceId: null,
    ...holder,
    startedAt: null,
    purchaseXid: null,
    trial: false,
    ...changes,
    voidedAt: null,
    assignedSeats: 0,
    version: 1,
    createdAt: now,
    updatedAt: now,
  });
  requireADay(purchase);
  return purchase;
}

/**
 * Ending a purchase on its first day leaves it without a day. By the dates alone nobody may ask for that.
 * @throws {IssuerError} VALIDATION_FAILED
 */
export function requireADay({
  startedAt,
  expiresOn,
}: Pick<AddOnPurchaseEntity, 'startedAt' | 'expiresOn'>): void {
  if (startedAt === null || expiresOn > startedAt) return;
  throw new IssuerError('VALIDATION_FAILED', 'The purchase would end before it starts.', {
    errors: [{ pointer: '#/expires_on', detail: 'must be after started_at' }],
  });
}
