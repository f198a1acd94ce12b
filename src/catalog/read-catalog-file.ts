import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';

import type { CatalogFault, CatalogKind } from '../domain/catalog-items.js';
import {
  type CatalogItemChecks,
  type FieldFault,
  isRecord,
  type UnknownField,
  WHOLE_FILE,
} from './check-catalog-item.js';
import type { CatalogFile } from './list-catalog-files.js';
import { misspelt } from './misspelt.js';
import { readYaml } from './read-yaml.js';

/** Twenty times the longest known file. The YAML parser compares each name of a mapping with all others. */
const MAX_BYTES = 65_536;

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
  const text = readText(found.path);
  return typeof text === 'string'
    ? checkCatalogText(found, text, checks)
    : unusable(found, [{ field: WHOLE_FILE, reason: text.trouble }]);
}

/** Checks the text of a file as the file itself would be. */
export function checkCatalogText(
  found: Pick<CatalogFile, 'kind' | 'file'>,
  text: string,
  checks: CatalogItemChecks,
): CatalogSource {
  const { kind, file } = found;
  const { document, faults: syntaxFaults } = readYaml(text);
  if (syntaxFaults.length > 0) return unusable(found, syntaxFaults);

  const fieldFaults = checks.faults(kind, document);
  if (!isRecord(document)) return unusable(found, fieldFaults);

  const unknown = checks.unknownFields(kind, document);
  const close = unknown.flatMap(({ field, meant }) =>
    meant === null ? [] : [{ field, reason: misspelt(meant) }],
  );
  const faults = faultsIn(file, [...close, ...fieldFaults]);
  const settledFields = new Set(fieldFaults.flatMap(({ member }) => member ?? []));
  const stem = basename(file, extname(file));
  const shaped = faults.length === 0 ? document : salvage(document, stem, settledFields);
  const warnings = warningsOf(file, document, unknown);
  return { kind, file, document: shaped, faults, settledFields, warnings };
}

function unusable(
  { kind, file }: Pick<CatalogFile, 'kind' | 'file'>,
  faults: readonly Pick<FieldFault, 'field' | 'reason'>[],
): CatalogSource {
  const document = salvage({}, basename(file, extname(file)));
  const settledFields = 'all';
  return { kind, file, document, faults: faultsIn(file, faults), settledFields, warnings: [] };
}

function faultsIn(
  file: string,
  faults: readonly Pick<FieldFault, 'field' | 'reason'>[],
): CatalogFault[] {
  return faults.map(({ field, reason }) => ({ file, field, reason }));
}

function warningsOf(
  file: string,
  document: Readonly<Record<string, unknown>>,
  unknown: readonly UnknownField[],
): string[] {
  const warnings = unknown
    .filter(({ meant }) => meant === null)
    .map(({ field }) => `${file}: field '${field}' is unknown, ignored`);
  const { name, cut_off_date: date } = document;
  if (typeof name === 'string' && name !== basename(file, extname(file))) {
    warnings.push(`${file}: defines '${name}', but the file has another name`);
  }
  if (typeof date === 'string') {
    warnings.push(
      `${file}: cut_off_date is a text, and a gitlab-cloud-connector gem needs a date: ` +
        'write it without quotes, such as 2024-10-17T00:00:00Z',
    );
  }
  return warnings;
}

function readText(path: string): string | { readonly trouble: string } {
  try {
    const found = statSync(path);
    if (!found.isFile()) return { trouble: 'is not a file' };
    if (found.size > MAX_BYTES) return { trouble: `is longer than ${MAX_BYTES} bytes` };
    const bytes = readFileSync(path);
    return isUtf8(bytes) ? bytes.toString() : { trouble: 'is not written in UTF-8' };
  } catch (error) {
    return { trouble: `can't be read: ${String(error)}` };
  }
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
