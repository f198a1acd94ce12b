import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ajv2020, type DefinedError, type ValidateFunction } from 'ajv/dist/2020.js';

import type { CatalogKind } from '../domain/catalog-items.js';
import { shippedCatalogDirectory } from './shipped-catalog.js';

const SCHEMA_FILES: Readonly<Record<CatalogKind, string>> = {
  unit_primitives: 'unit_primitive.schema.json',
  backend_services: 'backend_service.schema.json',
  add_ons: 'add_on.schema.json',
  license_types: 'license_type.schema.json',
  services: 'service.schema.json',
};

/** Stands for a field where the fault is that of the whole file. */
export const WHOLE_FILE = '(file)';

export interface FieldFault {
  /** `add_ons[1]`. */
  readonly field: string;
  readonly reason: string;
  /** `add_ons`; null where the whole document is at fault. */
  readonly member: string | null;
}

interface CatalogSchema {
  readonly properties: Readonly<Record<string, object>>;
}

interface CompiledSchema {
  readonly validate: ValidateFunction;
  readonly fields: ReadonlySet<string>;
}

/** Holds documents to the project's own schemas, whichever folder they come from. */
export class CatalogItemChecks {
  private readonly ajv = new Ajv2020({
    allErrors: true,
    allowUnionTypes: true,
    // Ours, and sound: each start would spend 50 ms on the schema of schemas.
    validateSchema: false,
  });
  private readonly compiled = new Map<CatalogKind, CompiledSchema>();

  faults(kind: CatalogKind, document: unknown): FieldFault[] {
    const { validate } = this.schemaOf(kind);
    if (validate(document)) return [];
    return ((validate.errors ?? []) as DefinedError[]).map(fieldFault);
  }

  unknownFields(kind: CatalogKind, document: object): string[] {
    const { fields } = this.schemaOf(kind);
    return Object.keys(document).filter((field) => !fields.has(field));
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

function fieldFault(error: DefinedError): FieldFault {
  if (error.keyword === 'required') {
    const member = error.params.missingProperty;
    return { field: member, reason: 'is missing', member };
  }
  // `/add_ons/1` is RFC 6901's way to say `add_ons[1]`.
  const [member = '', ...rest] = error.instancePath.split('/').slice(1);
  if (member === '') return { field: WHOLE_FILE, reason: reasonOf(error), member: null };
  return {
    field: [member, ...rest.map((index) => `[${index}]`)].join(''),
    reason: reasonOf(error),
    member,
  };
}

function reasonOf(error: DefinedError): string {
  if (error.keyword === 'enum') {
    return `must be one of ${error.params.allowedValues.join(', ')}`;
  }
  return error.message ?? 'is not valid';
}
