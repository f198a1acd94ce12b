import {
  CATALOG_KINDS,
  type BackendServiceDocument,
  type CatalogFault,
  type CatalogItem,
  type CatalogItems,
  type CatalogKind,
  type NamedDocument,
  type ServiceDocument,
  type UnitPrimitiveDocument,
} from './catalog-items.js';
import {
  canonicalAddOnName,
  type AddOn,
  type BackendService,
  type Catalog,
  type CatalogService,
  type GitlabRealm,
  type LicenseType,
  type UnitPrimitive,
} from './catalog.js';
import { parseGitlabVersion, type GitlabVersion } from './gitlab-version.js';
import { parseUtcInstant } from './utc-instant.js';

export type ParsedCatalog =
  | { readonly ok: true; readonly catalog: Catalog }
  | { readonly ok: false; readonly faults: readonly CatalogFault[] };

type Report = (field: string, reason: string) => void;

/** What the catalog defines, which references may name. */
interface Definitions {
  readonly names: Readonly<Record<CatalogKind, ReadonlySet<string>>>;
  readonly audienceOf: ReadonlyMap<string, string>;
}

const EVERY_REALM: readonly GitlabRealm[] = ['gitlab-com', 'self-managed'];

// Stricter than for the version of an instance: we write these minimums ourselves.
const MINIMUM_VERSION = /^\d+\.\d+(\.\d+)?(-[0-9A-Za-z.-]+)?$/;

/**
 * Makes a catalog from documents that fit their JSON Schemas. Reports all faults at once that a schema
 * cannot find, such as a reference to a name that no file defines.
 */
export function parseCatalog(items: CatalogItems): ParsedCatalog {
  const faults = CATALOG_KINDS.flatMap((kind) => repeatedNames(items[kind]));
  const definitions = definitionsIn(items);
  const parse = <Document, Parsed>(
    kindItems: readonly CatalogItem<Document>[],
    parseItem: (document: Document, definitions: Definitions, report: Report) => Parsed,
  ): Parsed[] =>
    kindItems.map(({ file, document }) =>
      parseItem(document, definitions, (field, reason) => faults.push({ file, field, reason })),
    );

  const catalog: Catalog = {
    unitPrimitives: parse(items.unit_primitives, parseUnitPrimitive).sort(byName),
    backendServices: parse(items.backend_services, parseBackendService).sort(byName),
    addOns: parse(withoutHistoricalTwins(items.add_ons), parseAddOn).sort(byName),
    licenseTypes: parse(items.license_types, parseLicenseType).sort(byName),
    services: parse(items.services, parseService).sort(byName),
  };
  return faults.length === 0 ? { ok: true, catalog } : { ok: false, faults };
}

function parseUnitPrimitive(
  document: UnitPrimitiveDocument,
  definitions: Definitions,
  report: Report,
): UnitPrimitive {
  const backendServices = references(document, 'backend_services', definitions, report);
  return {
    name: document.name,
    description: document.description,
    group: document.group ?? null,
    featureCategory: document.feature_category ?? null,
    documentationUrl: document.documentation_url ?? null,
    milestone: document.milestone ?? null,
    introducedByUrl: document.introduced_by_url ?? null,
    unitPrimitiveIssueUrl: document.unit_primitive_issue_url ?? null,
    deprecatedByUrl: document.deprecated_by_url ?? null,
    deprecationMessage: document.deprecation_message ?? null,
    cutOffDate: cutOffDate(document.cut_off_date ?? null, report),
    minGitlabVersion: minimumVersion(document, 'min_gitlab_version', report),
    minGitlabVersionForFreeAccess: minimumVersion(
      document,
      'min_gitlab_version_for_free_access',
      report,
    ),
    licenseTypes: references(document, 'license_types', definitions, report),
    backendServices,
    audiences: sortedUnion(backendServices.map((name) => definitions.audienceOf.get(name) ?? '')),
    addOns: references(document, 'add_ons', definitions, report),
    // Absent, not empty: it would change the digest of every catalog without aliases.
    ...(document.alias_names?.length ? { aliasNames: document.alias_names } : {}),
  };
}

function parseBackendService(
  document: BackendServiceDocument,
  _definitions: Definitions,
  report: Report,
): BackendService {
  if (document.jwt_aud.trim() === '') report('jwt_aud', 'is empty: tokens need an audience');
  return {
    name: document.name,
    description: document.description ?? null,
    group: document.group ?? null,
    jwtAud: document.jwt_aud,
    projectUrl: document.project_url ?? null,
  };
}

function parseAddOn(document: NamedDocument): AddOn {
  return {
    name: canonicalAddOnName(document.name),
    description: document.description ?? null,
  };
}

function parseLicenseType(document: NamedDocument): LicenseType {
  return { name: document.name, description: document.description ?? null };
}

function parseService(
  document: ServiceDocument,
  definitions: Definitions,
  report: Report,
): CatalogService {
  const listed = document.unit_primitives;
  if (listed.length === 0) report('unit_primitives', 'is empty: a service groups at least one');
  const basic = document.basic_unit_primitive ?? listed[0] ?? '';
  if (listed.length > 0 && !listed.includes(basic)) {
    report('basic_unit_primitive', `'${basic}' is not one of the service's unit_primitives`);
  }
  return {
    name: document.name,
    description: document.description ?? null,
    basicUnitPrimitive: basic,
    gitlabRealms: [...new Set(document.gitlab_realm ?? EVERY_REALM)].sort(),
    unitPrimitives: references(document, 'unit_primitives', definitions, report),
  };
}

function references<Field extends CatalogKind>(
  document: { readonly [field in Field]?: readonly string[] | null },
  field: Field,
  definitions: Definitions,
  report: Report,
): string[] {
  const names = sortedUnion((document[field] ?? []).map((name) => canonicalName(field, name)));
  for (const name of names) {
    if (!definitions.names[field].has(name)) {
      report(field, `'${name}' is not defined by any file in ${field}/`);
    }
  }
  return names;
}

function cutOffDate(value: Date | string | null, report: Report): Date | null {
  if (value === null) return null;
  const instant = typeof value === 'string' ? parseUtcInstant(value) : value;
  if (instant !== null && !Number.isNaN(instant.getTime())) return instant;
  report('cut_off_date', `'${String(value)}' is not a date such as 2024-10-17T00:00:00Z`);
  return null;
}

function minimumVersion(
  document: UnitPrimitiveDocument,
  field: 'min_gitlab_version' | 'min_gitlab_version_for_free_access',
  report: Report,
): GitlabVersion | null {
  const text = document[field] ?? null;
  if (text === null) return null;
  const version = MINIMUM_VERSION.test(text) ? parseGitlabVersion(text) : null;
  if (version === null) report(field, `'${text}' is not a GitLab version such as '16.9'`);
  return version;
}

function definitionsIn(items: CatalogItems): Definitions {
  const namesOf = (kind: CatalogKind): ReadonlySet<string> =>
    new Set(items[kind].map(({ document }) => canonicalName(kind, document.name)));
  return {
    names: {
      unit_primitives: namesOf('unit_primitives'),
      backend_services: namesOf('backend_services'),
      add_ons: namesOf('add_ons'),
      license_types: namesOf('license_types'),
      services: namesOf('services'),
    },
    audienceOf: new Map(
      items.backend_services.map(({ document }) => [document.name, document.jwt_aud]),
    ),
  };
}

function repeatedNames(items: readonly CatalogItem<NamedDocument>[]): CatalogFault[] {
  const definedIn = new Map<string, string>();
  return items.flatMap(({ file, document: { name } }) => {
    const first = definedIn.get(name);
    if (first !== undefined)
      return { file, field: 'name', reason: `'${name}' is already the name in ${first}` };
    definedIn.set(name, file);
    return [];
  });
}

/** When an add-on is defined under both its names, the definition under today's name wins. */
function withoutHistoricalTwins(
  addOns: readonly CatalogItem<NamedDocument>[],
): CatalogItem<NamedDocument>[] {
  const names = new Set(addOns.map(({ document }) => document.name));
  return addOns.filter(({ document: { name } }) => {
    const canonical = canonicalAddOnName(name);
    return canonical === name || !names.has(canonical);
  });
}

// Only for add-ons: a unit primitive and a service of that name exist, too.
function canonicalName(kind: CatalogKind, name: string): string {
  return kind === 'add_ons' ? canonicalAddOnName(name) : name;
}

// By code unit: the order must not depend on the locale of the machine.
function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1;
}

function sortedUnion(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
