import { createHash } from 'node:crypto';

import { CATALOG_KINDS, type CatalogFault, type CatalogItems } from '../domain/catalog-items.js';
import type { Catalog } from '../domain/catalog.js';
import { tooLargeForATokenWarning } from '../domain/largest-token.js';
import { parseCatalog } from '../domain/parse-catalog.js';
import { CatalogFaultsError } from './catalog-faults-error.js';
import { CatalogItemChecks } from './check-catalog-item.js';
import { listCatalogFiles, WHOLE_FOLDER } from './list-catalog-files.js';
import { readCatalogFile, type CatalogSource } from './read-catalog-file.js';

export interface LoadedCatalog {
  readonly catalog: Catalog;
  /** What was ignored and why, one sentence each. */
  readonly warnings: readonly string[];
  /** SHA-256 in lowercase hex of the content; comments and the order of fields do not count. */
  readonly digest: string;
}

/**
 * Reads a catalog: ours, or the `config/` folder of a `gitlab-cloud-connector` checkout.
 *
 * @throws CatalogFaultsError with every fault of every file.
 */
export function loadCatalog(directory: string): LoadedCatalog {
  const listing = listCatalogFiles(directory);
  const checks = new CatalogItemChecks();
  const sources = listing.files.map((file) => readCatalogFile(file, checks));
  const parsed = parseCatalog(itemsOf(sources));

  const faults = [...listing.faults, ...sources.flatMap((source) => source.faults)];
  if (!parsed.ok) faults.push(...parsed.faults.filter(isNew(listing.faults, sources)));
  const warnings = [...listing.warnings, ...sources.flatMap((source) => source.warnings)];
  if (!parsed.ok || faults.length > 0) {
    throw new CatalogFaultsError(directory, inOrder(faults), warnings);
  }

  const tooLarge = tooLargeForATokenWarning(parsed.catalog);
  return {
    catalog: parsed.catalog,
    warnings: tooLarge === null ? warnings : [...warnings, tooLarge],
    digest: createHash('sha256').update(canonicalJson(parsed.catalog)).digest('hex'),
  };
}

function itemsOf(sources: readonly CatalogSource[]): CatalogItems {
  const items = Object.fromEntries(
    CATALOG_KINDS.map((kind) => [kind, sources.filter((source) => source.kind === kind)]),
  );
  // Each document has the shape of its kind: it passed the schema, or `salvage` gave it that shape.
  return items as unknown as CatalogItems;
}

/** Leaves out the consequences of a missing folder or a malformed field, which is a fault already. */
function isNew(
  folderFaults: readonly CatalogFault[],
  sources: readonly CatalogSource[],
): (fault: CatalogFault) => boolean {
  const missingFolders = new Set(
    folderFaults.filter(({ field }) => field === WHOLE_FOLDER).map(({ file }) => file),
  );
  const settled = new Map(sources.map(({ file, settledFields }) => [file, settledFields]));
  return ({ file, field }) => {
    const fields = settled.get(file);
    // A field that refers to other items has the name of their folder.
    return !missingFolders.has(field) && fields !== 'all' && !fields?.has(field);
  };
}

function inOrder(faults: readonly CatalogFault[]): CatalogFault[] {
  return [...faults].sort((one, other) => {
    if (one.file !== other.file) return one.file < other.file ? -1 : 1;
    return one.field < other.field ? -1 : 1;
  });
}

/** JSON with sorted keys, so that equal catalogs have equal texts. */
function canonicalJson(catalog: Catalog): string {
  return JSON.stringify(catalog, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(
      Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)),
    );
  });
}
