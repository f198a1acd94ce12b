import type { Catalog, CatalogService, GitlabRealm, UnitPrimitive } from './catalog.js';

/** GitLab 16.8 to about 18.5 ask for these beside their token. */
export interface AvailableService {
  readonly name: string;
  /** The service costs money from then on; null means that it stays free. */
  readonly serviceStartTime: Date | null;
  /** Add-ons that carry it, sorted; null when none does. */
  readonly bundledWith: readonly string[] | null;
}

/**
 * The services of one realm and the single unit primitives, sorted by name. A unit primitive with the
 * name of a service in *any* realm is not listed on its own: the instance would take it for the
 * service, which its realm may not have.
 */
export function availableServices(catalog: Catalog, realm: GitlabRealm): AvailableService[] {
  const unitPrimitives = new Map(catalog.unitPrimitives.map((each) => [each.name, each]));
  const serviceNames = new Set(catalog.services.map(({ name }) => name));

  const grouped = catalog.services
    .filter(({ gitlabRealms }) => gitlabRealms.includes(realm))
    .map((service) => fromService(service, unitPrimitives));
  const single = catalog.unitPrimitives
    .filter(({ name }) => !serviceNames.has(name))
    .map(fromUnitPrimitive);
  return [...grouped, ...single].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function fromService(
  service: CatalogService,
  unitPrimitives: ReadonlyMap<string, UnitPrimitive>,
): AvailableService {
  const addOns = service.unitPrimitives.flatMap((name) => unitPrimitives.get(name)?.addOns ?? []);
  return {
    name: service.name,
    serviceStartTime: unitPrimitives.get(service.basicUnitPrimitive)?.cutOffDate ?? null,
    bundledWith: bundle(
      // Older instances sell customer-operated models with Duo Enterprise only.
      service.name === 'self_hosted_models'
        ? addOns.filter((addOn) => addOn === 'duo_enterprise')
        : addOns,
    ),
  };
}

function fromUnitPrimitive({ name, cutOffDate, addOns }: UnitPrimitive): AvailableService {
  return { name, serviceStartTime: cutOffDate, bundledWith: bundle(addOns) };
}

function bundle(addOns: readonly string[]): readonly string[] | null {
  return addOns.length === 0 ? null : [...new Set(addOns)].sort();
}
