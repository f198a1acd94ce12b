/**
 * A column of sealed values. Its room declares it, and `app.module.ts` lists it: what is not listed
 * is not sealed again under a new key-encryption key.
 */
export interface SealedColumn {
  readonly table: string;
  /** The column that tells rows apart, and its type in the database. */
  readonly id: { readonly column: string; readonly type: 'uuid' | 'text' };
  /** Of type bytea; null where there is nothing to keep. */
  readonly column: string;
}

/** The injection token of all of them. */
export const SEALED_COLUMNS = Symbol('SealedColumns');

/** What a value in this column is bound to (`licenses:<id>`), so that it opens in no other row. */
export function sealedOwner({ table }: SealedColumn, id: string): string {
  return `${table}:${id}`;
}
