import { type Catalog, canonicalAddOnName } from '../domain/catalog.js';
import { IssuerError } from '../platform/issuer-error.js';

/** @throws {IssuerError} VALIDATION_FAILED for a plan that the catalog does not have */
export function requireKnownPlan(plan: string, { licenseTypes }: Catalog): void {
  requireKnown(plan, licenseTypes, 'plan', 'The catalog has no such plan.');
}

/**
 * The catalog's name of an add-on, which may be given by an alias.
 * @throws {IssuerError} VALIDATION_FAILED for an add-on that the catalog does not have
 */
export function knownAddOn(given: string, { addOns }: Catalog): string {
  const name = canonicalAddOnName(given);
  requireKnown(name, addOns, 'add_on', 'The catalog has no such add-on.');
  return name;
}

function requireKnown(
  name: string,
  items: readonly { readonly name: string }[],
  member: string,
  message: string,
): void {
  const known = items.map((item) => item.name);
  if (known.includes(name)) return;
  throw new IssuerError('VALIDATION_FAILED', message, {
    errors: [{ pointer: `#/${member}`, detail: `must be one of ${known.join(', ')}` }],
  });
}
