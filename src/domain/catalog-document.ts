import type { AddOn, BackendService, Catalog, LicenseType, UnitPrimitive } from './catalog.js';

/** The keys that GitLab reads. A member that is null here is left out there. */
export type CatalogDocumentItem = Readonly<Record<string, string | readonly string[]>>;

/** The `catalog` in the answer to a sync: the whole catalog, for every version and every license. */
export interface CatalogDocument {
  readonly backend_services: readonly CatalogDocumentItem[];
  readonly unit_primitives: readonly CatalogDocumentItem[];
  readonly add_ons: readonly CatalogDocumentItem[];
  readonly license_types: readonly CatalogDocumentItem[];
}

export function catalogDocument(catalog: Catalog): CatalogDocument {
  return {
    backend_services: catalog.backendServices.map(backendServiceItem),
    unit_primitives: catalog.unitPrimitives.map(unitPrimitiveItem),
    add_ons: catalog.addOns.map(namedItem),
    license_types: catalog.licenseTypes.map(namedItem),
  };
}

function unitPrimitiveItem(unitPrimitive: UnitPrimitive): CatalogDocumentItem {
  return withoutNulls({
    name: unitPrimitive.name,
    description: unitPrimitive.description,
    group: unitPrimitive.group,
    feature_category: unitPrimitive.featureCategory,
    documentation_url: unitPrimitive.documentationUrl,
    milestone: unitPrimitive.milestone,
    introduced_by_url: unitPrimitive.introducedByUrl,
    unit_primitive_issue_url: unitPrimitive.unitPrimitiveIssueUrl,
    deprecated_by_url: unitPrimitive.deprecatedByUrl,
    deprecation_message: unitPrimitive.deprecationMessage,
    cut_off_date: unitPrimitive.cutOffDate && withNumericOffset(unitPrimitive.cutOffDate),
    min_gitlab_version: unitPrimitive.minGitlabVersion?.text ?? null,
    min_gitlab_version_for_free_access: unitPrimitive.minGitlabVersionForFreeAccess?.text ?? null,
    license_types: unitPrimitive.licenseTypes,
    backend_services: unitPrimitive.backendServices,
    add_ons: unitPrimitive.addOns,
    alias_names: unitPrimitive.aliasNames ?? null,
  });
}

function backendServiceItem(backendService: BackendService): CatalogDocumentItem {
  return withoutNulls({
    name: backendService.name,
    description: backendService.description,
    group: backendService.group,
    jwt_aud: backendService.jwtAud,
    project_url: backendService.projectUrl,
  });
}

function namedItem({ name, description }: AddOn | LicenseType): CatalogDocumentItem {
  return withoutNulls({ name, description });
}

/** `2024-10-17T00:00:00.000+00:00`, the form in which GitLab's issuer writes instants here. */
function withNumericOffset(instant: Date): string {
  return instant.toISOString().replace('Z', '+00:00');
}

function withoutNulls(
  members: Readonly<Record<string, string | readonly string[] | null>>,
): CatalogDocumentItem {
  const known = Object.entries(members).filter(([, value]) => value !== null);
  return Object.fromEntries(known) as CatalogDocumentItem;
}
