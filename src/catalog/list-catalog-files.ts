import { readdirSync, realpathSync } from 'node:fs';
import { extname, join } from 'node:path';

import { CATALOG_KINDS, type CatalogFault, type CatalogKind } from '../domain/catalog-items.js';
import { shippedCatalogDirectory } from './shipped-catalog.js';

export interface CatalogFile {
  readonly kind: CatalogKind;
  /** Relative to the folder of the catalog; faults name the file by it. */
  readonly file: string;
  readonly path: string;
}

export interface CatalogListing {
  readonly files: readonly CatalogFile[];
  readonly faults: readonly CatalogFault[];
  readonly warnings: readonly string[];
}

/** Stands in the place of a field if a whole folder is at fault. */
export const WHOLE_FOLDER = '(folder)';

const YAML_EXTENSIONS = new Set(['.yml', '.yaml']);

/** Finds the files of a catalog. A file that does not belong to it is ignored, with a warning. */
export function listCatalogFiles(directory: string): CatalogListing {
  if (!isFolder(directory)) return refused(directory, 'is not a folder that can be read');

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
    else warnings.push(`${file}: is not a YAML file, ignored`);
  }
  // A catalog without unit primitives grants nothing. That is a wrong folder rather than a wish.
  if (kind === 'unit_primitives' && files.length === 0) return refused(kind, 'has no YAML file');
  return { files, faults: [], warnings };
}

function strangers(directory: string): string[] {
  return visibleEntries(directory)
    .filter((entry) => !CATALOG_KINDS.some((kind) => kind === entry))
    .filter((entry) => !isOwnSchemas(join(directory, entry)))
    .map((entry) => `${entry}: does not belong to a catalog, ignored`);
}

function isOwnSchemas(path: string): boolean {
  const own = join(shippedCatalogDirectory(), 'schemas');
  return isFolder(path) && isFolder(own) && realpathSync(path) === realpathSync(own);
}

// Mounted config maps, editors and desktops have hidden files of their own.
function visibleEntries(folder: string): string[] {
  return readdirSync(folder)
    .filter((entry) => !entry.startsWith('.'))
    .sort();
}

/** False for a folder that may not be read. */
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
