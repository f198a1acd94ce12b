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
  /** SHA-256 in lowercase hex of what the files mean; comments and their order do not count. */
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
  if (!parsed.ok) faults.push(...parsed.faults.filter(isNews(listing.faults, sources)));
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
  // The schemas, or the salvage of what fails them, vouch for the shape of each document.
  return items as unknown as CatalogItems;
}

/** A missing folder or a malformed field is one fault, not one more for each of its consequences. */
function isNews(
  folderFaults: readonly CatalogFault[],
  sources: readonly CatalogSource[],
): (fault: CatalogFault) => boolean {
  const missingFolders = new Set(
    folderFaults.filter(({ field }) => field === WHOLE_FOLDER).map(({ file }) => file),
  );
  const settled = new Map(sources.map(({ file, settledFields }) => [file, settledFields]));
  return ({ file, field }) => {
    const fields = settled.get(file);
    // A reference and the folder that it refers to have the same name.
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
