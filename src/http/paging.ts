import { ApiPropertyOptional } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { IsUuid, MayBeAbsent } from './validators.js';

const STANDARD_PER_PAGE = 20;

/** Keyset paging by id. Ids are UUIDs of version 7: their order is the order of creation. */
export class PageQuery {
  @ApiPropertyOptional({ description: 'Items a page, 1 to 100', default: STANDARD_PER_PAGE })
  @MayBeAbsent()
  @Matches(/^([1-9]\d?|100)$/, { message: 'must be a whole number from 1 to 100' })
  per_page?: string;

  @ApiPropertyOptional({ description: 'The `next_cursor` of the page before' })
  @MayBeAbsent()
  @IsUuid('the next_cursor of an earlier answer')
  cursor?: string;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** How many rows a repository must fetch: one more than shown, to know whether more follow. */
export function rowsToFetch(query: PageQuery): number {
  return perPage(query) + 1;
}

export function pageOf<Item extends { readonly id: string }>(
  rows: readonly Item[],
  query: PageQuery,
): Page<Item> {
  const items = rows.slice(0, perPage(query));
  const nextCursor = rows.length > items.length ? (items.at(-1)?.id ?? null) : null;
  return { items, nextCursor };
}

/** `Link: <...>; rel="next"` (RFC 8288), absolute, with every parameter of the request kept. */
export function nextLink(pageUrl: string, query: object, nextCursor: string): string {
  const url = new URL(pageUrl);
  for (const [name, value] of Object.entries(query)) {
    if (typeof value === 'string') url.searchParams.set(name, value);
  }
  url.searchParams.set('cursor', nextCursor);
  return `<${url.href}>; rel="next"`;
}

/** Items a page. */
export function perPage(query: PageQuery): number {
  return Number(query.per_page ?? STANDARD_PER_PAGE);
}
