/** Keyset paging by id: which page of a list is wanted. */
export interface PageRequest {
  /** The id that the page starts after; null for the first page. */
  readonly after: string | null;
  /** How many items it has at most. */
  readonly perPage: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** How many rows a repository must fetch: one more than shown, to know whether more follow. */
export function rowsToFetch({ perPage }: PageRequest): number {
  return perPage + 1;
}

export function pageOf<Item extends { readonly id: string }>(
  rows: readonly Item[],
  { perPage }: PageRequest,
): Page<Item> {
  const items = rows.slice(0, perPage);
  const nextCursor = rows.length > items.length ? (items.at(-1)?.id ?? null) : null;
  return { items, nextCursor };
}
