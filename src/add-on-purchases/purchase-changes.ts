import { type Catalog, canonicalAddOnName } from '../domain/catalog.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import type { UpdateAddOnPurchaseBody } from './add-on-purchase.dto.js';
import { AddOnPurchaseEntity } from './add-on-purchase.entity.js';

/** Who bought it: exactly one of the two. */
export type PurchaseOwner = Pick<AddOnPurchaseEntity, 'licenseId' | 'namespaceId'>;

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

/** @throws {IssuerError} VALIDATION_FAILED when it would not have a single day */
export function newPurchase(
  owner: PurchaseOwner,
  changes: Partial<AddOnPurchaseEntity>,
  now: Date,
): AddOnPurchaseEntity {
  const purchase = Object.assign(new AddOnPurchaseEntity(), {
    id: newId(now),
    ...owner,
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

/** What a purchase that was ended on its first day is left with, none may be given on purpose. */
export function requireADay({ startedAt, expiresOn }: AddOnPurchaseEntity): void {
  if (startedAt === null || expiresOn > startedAt) return;
  throw new IssuerError('VALIDATION_FAILED', 'The purchase would end before it starts.', {
    errors: [{ pointer: '#/expires_on', detail: 'must be after started_at' }],
  });
}

function knownAddOn(given: string, catalog: Catalog): string {
  const name = canonicalAddOnName(given);
  const known = catalog.addOns.map((addOn) => addOn.name);
  if (known.includes(name)) return name;
  throw new IssuerError('VALIDATION_FAILED', 'The catalog has no such add-on.', {
    errors: [{ pointer: '#/add_on', detail: `must be one of ${known.join(', ')}` }],
  });
}
