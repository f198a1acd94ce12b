import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Observable, tap } from 'rxjs';
import type { Page, PageRequest } from '../database/page.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
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

/** The body of a list's answer. */
export interface PageBody<View> {
  readonly items: View[];
  readonly next_cursor: string | null;
}

export function pageRequest({ cursor, per_page }: PageQuery): PageRequest {
  return { after: cursor ?? null, perPage: Number(per_page ?? STANDARD_PER_PAGE) };
}

export function pageBody<Item, View>(
  { items, nextCursor }: Page<Item>,
  view: (item: Item) => View,
): PageBody<View> {
  return { items: items.map((item) => view(item)), next_cursor: nextCursor };
}

/**
 * `Link: <...>; rel="next"` (RFC 8288), absolute, with every other parameter of the request. Null for a request whose
 * absolute target (RFC 9112 section 3.2.2) names a host that cannot be read.
 */
export function nextLink(issuerUrl: string, requestUrl: string, nextCursor: string): string | null {
  if (!URL.canParse(requestUrl, issuerUrl)) return null;
  const { pathname, search } = new URL(requestUrl, issuerUrl);
  const url = new URL(`${issuerUrl}${pathname}${search}`);
  url.searchParams.set('cursor', nextCursor);
  return `<${url.href}>; rel="next"`;
}

/** Adds a `Link` to the next page to every answer that has a `next_cursor`. */
@Injectable()
export class NextLink implements NestInterceptor {
  constructor(@Inject(SERVICE_CONFIG) private readonly config: ServiceConfig) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    return next.handle().pipe(
      tap((body: unknown) => {
        const nextCursor: unknown = Reflect.get(Object(body) as object, 'next_cursor');
        if (typeof nextCursor !== 'string') return;
        const { url } = http.getRequest<FastifyRequest>();
        const link = nextLink(this.config.issuerUrl, url, nextCursor);
        if (link !== null) void http.getResponse<FastifyReply>().header('link', link);
      }),
    );
  }
}
