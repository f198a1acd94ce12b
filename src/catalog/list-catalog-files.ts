import { readdirSync, realpathSync } from 'node:fs';
import { extname, join } from 'node:path';

import { CATALOG_KINDS, type CatalogFault, type CatalogKind } from '../domain/catalog-items.js';
import { shippedCatalogDirectory } from './shipped-catalog.js';

export interface CatalogFile {
  readonly kind: CatalogKind;
  /** Relative to the catalog, as faults name it. */
  readonly file: string;
  readonly path: string;
}

export interface CatalogListing {
  readonly files: readonly CatalogFile[];
  readonly faults: readonly CatalogFault[];
  readonly warnings: readonly string[];
}

/** Stands for a field where the fault is that of a whole folder. */
export const WHOLE_FOLDER = '(folder)';

const YAML_EXTENSIONS = new Set(['.yml', '.yaml']);

/** Finds the files of a catalog. What does not belong to one is left alone and warned about. */
export function listCatalogFiles(directory: string): CatalogListing {
  if (!isFolder(directory)) return refused(directory, 'is no folder that can be read');

  const listings = CATALOG_KINDS.map((kind) => listKind(directory, kind));
  return {
    files: listings.flatMap(({ files }) => files),
    faults: listings.flatMap(({ faults }) => faults),
    warnings: [...strangers(directory), ...listings.flatMap(({ warnings }) => warnings)],
  };
}

function listKind(directory: string, kind: CatalogKind): CatalogListing {
  const folder = join(directory, kind);
  if (!isFolder(folder)) return refused(kind, 'is missing: a catalog has this folder');

  const files: CatalogFile[] = [];
  const warnings: string[] = [];
  for (const entry of visibleEntries(folder)) {
    const path = join(folder, entry);
    const file = `${kind}/${entry}`;
    if (YAML_EXTENSIONS.has(extname(entry)) && !isFolder(path)) files.push({ kind, file, path });
    else warnings.push(`${file}: is no YAML file, ignored`);
  }
  // Such a catalog grants nothing to anyone: far more likely a wrong folder than a wish.
  if (kind === 'unit_primitives' && files.length === 0) return refused(kind, 'has no YAML file');
  return { files, faults: [], warnings };
}

function strangers(directory: string): string[] {
  return visibleEntries(directory)
    .filter((entry) => !CATALOG_KINDS.some((kind) => kind === entry))
    .filter((entry) => !isOwnSchemas(join(directory, entry)))
    .map((entry) => `${entry}: is no part of a catalog, ignored`);
}

function isOwnSchemas(path: string): boolean {
  const own = join(shippedCatalogDirectory(), 'schemas');
  return isFolder(path) && isFolder(own) && realpathSync(path) === realpathSync(own);
}

// A mounted config map keeps its versions in hidden folders, editors and desktops their notes.
function visibleEntries(folder: string): string[] {
  return readdirSync(folder)
    .filter((entry) => !entry.startsWith('.'))
    .sort();
}

/** False for a folder that may not be read: to its catalog it is none. */
function isFolder(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function refused(file: string, reason: string): CatalogListing {
  return { files: [], faults: [{ file, field: WHOLE_FOLDER, reason }], warnings: [] };
}
