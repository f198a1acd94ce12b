import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';

import type { CatalogFault, CatalogKind } from '../domain/catalog-items.js';
import { WHOLE_FILE, type CatalogItemChecks } from './check-catalog-item.js';
import type { CatalogFile } from './list-catalog-files.js';
import { readYaml, type YamlReading } from './read-yaml.js';

/** Twenty times the longest known file. The YAML parser compares each name of a mapping with all others. */
const MAX_CHARACTERS = 65_536;

/** A file of a catalog after the checks of its syntax and its shape. */
export interface CatalogSource {
  readonly kind: CatalogKind;
  readonly file: string;
  /** Has the shape of its kind, even if the file does not. */
  readonly document: object;
  readonly faults: readonly CatalogFault[];
  /** Fields whose faults are all in `faults`: later checks leave them out. */
  readonly settledFields: ReadonlySet<string> | 'all';
  readonly warnings: readonly string[];
}

export function readCatalogFile(found: CatalogFile, checks: CatalogItemChecks): CatalogSource {
  const { kind, file } = found;
  const stem = basename(file, extname(file));
  const { document, faults: syntaxFaults, warnings } = readText(found.path);
  const notes = warnings.map((warning) => `${file}: ${warning}`);
  if (syntaxFaults.length > 0) {
    const faults = syntaxFaults.map(({ field, reason }) => ({ file, field, reason }));
    const settledFields = 'all';
    return { kind, file, document: salvage({}, stem), faults, settledFields, warnings: notes };
  }

  const fieldFaults = checks.faults(kind, document);
  const faults = fieldFaults.map(({ field, reason }) => ({ file, field, reason }));
  if (!isRecord(document)) {
    const settledFields = 'all';
    return { kind, file, document: salvage({}, stem), faults, settledFields, warnings: notes };
  }
  for (const field of checks.unknownFields(kind, document)) {
    notes.push(`${file}: field '${field}' is unknown, ignored`);
  }
  if (typeof document['name'] === 'string' && document['name'] !== stem) {
    notes.push(`${file}: defines '${document['name']}', but the file has another name`);
  }
  const settledFields = new Set(fieldFaults.flatMap(({ member }) => member ?? []));
  const shaped = faults.length === 0 ? document : salvage(document, stem, settledFields);
  return { kind, file, document: shaped, faults, settledFields, warnings: notes };
}

function readText(path: string): YamlReading {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = `can't be read: ${error instanceof Error ? error.message : 'unknown reason'}`;
    return { document: undefined, faults: [{ field: WHOLE_FILE, reason }], warnings: [] };
  }
  if (text.length <= MAX_CHARACTERS) return readYaml(text);
  const reason = `is longer than ${MAX_CHARACTERS} characters`;
  return { document: undefined, faults: [{ field: WHOLE_FILE, reason }], warnings: [] };
}

/**
 * The sound fields of a faulty document, in the shape of its kind. The checks across files still see its
 * name, so files that refer to it get no fault.
 */
function salvage(
  document: Readonly<Record<string, unknown>>,
  stem: string,
  faultyFields: ReadonlySet<string> = new Set(),
): object {
  const sound = Object.entries(document).filter(([field]) => !faultyFields.has(field));
  const name = typeof document['name'] === 'string' ? document['name'] : stem;
  return { description: '', jwt_aud: '', unit_primitives: [], ...Object.fromEntries(sound), name };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
