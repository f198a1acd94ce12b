import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020, type DefinedError, type ValidateFunction } from 'ajv/dist/2020.js';

import type { CatalogKind } from '../domain/catalog-items.js';
import { misspeltName } from './misspelt.js';
import { NotText } from './plain-scalar.js';
import { shippedCatalogDirectory } from './shipped-catalog.js';

const SCHEMA_FILES: Readonly<Record<CatalogKind, string>> = {
  unit_primitives: 'unit_primitive.schema.json',
  backend_services: 'backend_service.schema.json',
  add_ons: 'add_on.schema.json',
  license_types: 'license_type.schema.json',
  services: 'service.schema.json',
};

/** The one field that is a date. */
const DATE_FIELD = 'cut_off_date';

/** Stands in the place of a field if the whole file is at fault. */
export const WHOLE_FILE = '(file)';

export interface FieldFault {
  /** `add_ons[1]`. */
  readonly field: string;
  readonly reason: string;
  /** `add_ons`; null if the whole document is at fault. */
  readonly member: string | null;
}

export interface UnknownField {
  readonly field: string;
  readonly meant: string | null;
}

interface CatalogSchema {
  readonly properties: Readonly<Record<string, object>>;
}

interface CompiledSchema {
  readonly validate: ValidateFunction;
  readonly fields: ReadonlySet<string>;
}

/** Checks documents against the schemas of this project, whichever folder they come from. */
export class CatalogItemChecks {
  private readonly ajv = new Ajv2020({
    allErrors: true,
    allowUnionTypes: true,
    // Validating our own schemas would cost 50 ms at each start.
    validateSchema: false,
    // Errors have the value at fault.
    verbose: true,
  });
  private readonly compiled = new Map<CatalogKind, CompiledSchema>();

  faults(kind: CatalogKind, document: unknown): FieldFault[] {
    const { validate } = this.schemaOf(kind);
    if (validate(withDateAsText(document))) return [];
    return ((validate.errors ?? []) as DefinedError[]).map(fieldFault);
  }

  /** The fields that the kind does not have, each with the known one that it was probably meant to be. */
  unknownFields(kind: CatalogKind, document: object): UnknownField[] {
    const { fields } = this.schemaOf(kind);
    const unknown = Object.keys(document).filter((field) => !fields.has(field));
    return unknown.map((field) => ({ field, meant: misspeltName(field, fields) }));
  }

  private schemaOf(kind: CatalogKind): CompiledSchema {
    const known = this.compiled.get(kind);
    if (known) return known;
    const path = join(shippedCatalogDirectory(), 'schemas', SCHEMA_FILES[kind]);
    const schema = JSON.parse(readFileSync(path, 'utf8')) as CatalogSchema;
    const compiled = {
      validate: this.ajv.compile(schema),
      fields: new Set(Object.keys(schema.properties)),
    };
    this.compiled.set(kind, compiled);
    return compiled;
  }
}

/** The schemas describe a file as JSON, which has no dates. */
function withDateAsText(document: unknown): unknown {
  if (!isRecord(document)) return document;
  const date = document[DATE_FIELD];
  return date instanceof Date ? { ...document, [DATE_FIELD]: date.toISOString() } : document;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fieldFault(error: DefinedError): FieldFault {
  if (error.keyword === 'required') {
    const member = error.params.missingProperty;
    return { field: member, reason: 'is missing', member };
  }
  // `/add_ons/1` (RFC 6901) means `add_ons[1]`.
  const [member = '', ...rest] = error.instancePath.split('/').slice(1);
  if (member === '') return { field: WHOLE_FILE, reason: reasonOf(error, member), member: null };
  return {
    field: [member, ...rest.map((index) => `[${index}]`)].join(''),
    reason: reasonOf(error, member),
    member,
  };
}

function reasonOf(error: DefinedError, member: string): string {
  if (error.keyword === 'enum') {
    return `must be one of ${error.params.allowedValues.join(', ')}`;
  }
  if (error.keyword === 'type' && error.params.type.includes('string')) {
    const value: unknown = error.data;
    if (value instanceof Date) return 'is a date: quote a text';
    if (value instanceof NotText) {
      return member === DATE_FIELD
        ? `'${value.written}' is not a date such as 2024-10-17T00:00:00Z`
        : `${value.written} must be in quotes: without them it is not a text to readers of YAML`;
    }
  }
  return error.message ?? 'is not valid';
}
