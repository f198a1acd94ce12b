import type { EntityManager } from 'typeorm';
import { type SealedColumn } from './sealed-columns.js';
import { SEAL_HEADER_BYTES, type Sealing } from './sealing.js';

/** How many values are sealed under which key; `unknown` counts those of any other key. */
export interface SealedValueCounts {
  readonly current: number;
  readonly previous: number;
  readonly unknown: number;
}

/** A value with the id of its row. */
export interface SealedValue {
  readonly id: string;
  readonly sealed: Buffer;
}

export interface RewrappedValue extends SealedValue {
  readonly rewrapped: Buffer;
}

/** Counts the values of a column by their header, without opening them. */
export async function countSealedValues(
  manager: EntityManager,
  { table, column }: SealedColumn,
  { currentHeader, previousHeader }: Sealing,
): Promise<SealedValueCounts> {
  const [counts] = await manager.query<[SealedValueCounts]>(
    `SELECT count(*) FILTER (WHERE header = $1)::int AS current,
            count(*) FILTER (WHERE header = $2)::int AS previous,
            count(*) FILTER (WHERE header IS DISTINCT FROM $1 AND header IS DISTINCT FROM $2)::int
              AS unknown
     FROM (SELECT substring(${column} FOR ${SEAL_HEADER_BYTES}) AS header
           FROM ${table} WHERE ${column} IS NOT NULL) AS sealed`,
    [currentHeader, previousHeader],
  );
  return counts;
}

/** The first values with this header in rows after `after`, in the order of their ids. */
export async function sealedValuesAfter(
  manager: EntityManager,
  { table, id, column }: SealedColumn,
  header: Buffer,
  after: string | null,
  limit: number,
): Promise<SealedValue[]> {
  return manager.query<SealedValue[]>(
    `SELECT ${id.column} AS id, ${column} AS sealed FROM ${table}
     WHERE substring(${column} FOR ${SEAL_HEADER_BYTES}) = $1
       AND ($2::${id.type} IS NULL OR ${id.column} > $2::${id.type})
     ORDER BY ${id.column} LIMIT $3`,
    [header, after, limit],
  );
}

/**
 * Replaces values that have not changed since they were read, in one statement of its own. It skips a
 * row that another transaction has locked, so replicas that do this work at once do not wait for each
 * other.
 */
export async function replaceSealedValues(
  manager: EntityManager,
  { table, id, column }: SealedColumn,
  values: readonly RewrappedValue[],
): Promise<void> {
  await manager.query(
    `WITH held AS (
       SELECT row.${id.column} AS id, value.sealed, value.rewrapped
       FROM unnest($1::${id.type}[], $2::bytea[], $3::bytea[]) AS value (id, sealed, rewrapped)
       JOIN ${table} AS row ON row.${id.column} = value.id AND row.${column} = value.sealed
       ORDER BY 1 FOR NO KEY UPDATE OF row SKIP LOCKED)
     UPDATE ${table} AS row SET ${column} = held.rewrapped
     FROM held WHERE row.${id.column} = held.id AND row.${column} = held.sealed`,
    [
      values.map((value) => value.id),
      values.map(({ sealed }) => sealed),
      values.map(({ rewrapped }) => rewrapped),
    ],
  );
}
