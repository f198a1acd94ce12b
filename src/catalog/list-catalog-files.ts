import { readdirSync } from 'node:fs';
import { extname, join } from 'node:path';

import { CATALOG_KINDS, type CatalogFault, type CatalogKind } from '../domain/catalog-items.js';
import { WHOLE_FILE } from './check-catalog-item.js';
import { misspelt, misspeltName } from './misspelt.js';

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

/** The gitlab-cloud-connector gem reads no other files. */
const EXTENSION = '.yml';
const MEANT_AS_YAML = /\.ya?ml$/i;
/** The vendor is about to drop it. Older instances then see each unit primitive as a service. */
const OPTIONAL: CatalogKind = 'services';
const SCHEMAS = 'schemas';

/** Finds the files of a catalog. A file that does not belong to it is ignored, with a warning. */
export function listCatalogFiles(directory: string): CatalogListing {
  if (!isFolder(directory)) return refused(directory, 'is not a folder that can be read');

  const listings = [
    strangers(directory),
    ...CATALOG_KINDS.map((kind) => listKind(directory, kind)),
  ];
  return {
    files: listings.flatMap(({ files }) => files),
    faults: listings.flatMap(({ faults }) => faults),
    warnings: listings.flatMap(({ warnings }) => warnings),
  };
}

function listKind(directory: string, kind: CatalogKind): CatalogListing {
  const folder = join(directory, kind);
  if (kind === OPTIONAL && !visibleEntries(directory).includes(kind)) {
    return { files: [], faults: [], warnings: [] };
  }
  if (!isFolder(folder)) return refused(kind, 'is missing: a catalog has this folder');

  const files: CatalogFile[] = [];
  const faults: CatalogFault[] = [];
  const warnings: string[] = [];
  for (const entry of visibleEntries(folder)) {
    const path = join(folder, entry);
    const file = `${kind}/${entry}`;
    if (isFolder(path) || !MEANT_AS_YAML.test(entry)) {
      warnings.push(`${file}: is not a YAML file, ignored`);
      continue;
    }
    files.push({ kind, file, path });
    if (extname(entry) !== EXTENSION) {
      const reason = `has a name that does not end in ${EXTENSION}, so other tools pass over it`;
      faults.push({ file, field: WHOLE_FILE, reason });
    }
  }
  // A catalog without unit primitives grants nothing. That is a wrong folder rather than a wish.
  if (kind === 'unit_primitives' && files.length === 0) {
    return refused(kind, `has no ${EXTENSION} file`);
  }
  return { files, faults, warnings };
}

/** What lies beside the folders of a catalog. One with nearly the name of such a folder is a mistake. */
function strangers(directory: string): CatalogListing {
  const known: readonly string[] = [...CATALOG_KINDS, SCHEMAS];
  const faults: CatalogFault[] = [];
  const warnings: string[] = [];
  for (const entry of visibleEntries(directory).filter((each) => !known.includes(each))) {
    const meant = isFolder(join(directory, entry)) ? misspeltName(entry, CATALOG_KINDS) : null;
    if (meant === null) warnings.push(`${entry}: does not belong to a catalog, ignored`);
    else faults.push({ file: entry, field: WHOLE_FOLDER, reason: misspelt(meant) });
  }
  return { files: [], faults, warnings };
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
