/**
 * A column of sealed values. Its room declares it, and `app.module.ts` lists it. A column that is not
 * listed is not sealed again under a new key-encryption key.
 */
export interface SealedColumn {
  readonly table: string;
  /** The primary key, and its type in the database. */
  readonly id: { readonly column: string; readonly type: 'uuid' | 'text' };
  /** A column of type bytea; null in rows without a secret. */
  readonly column: string;
}

/** The injection token of the list of all sealed columns. */
export const SEALED_COLUMNS = Symbol('SealedColumns');

/** The owner of a value in this column (`licenses:<id>`). A value does not open for another owner. */
export function sealedOwner({ table }: SealedColumn, id: string): string {
  return `${table}:${id}`;
}
