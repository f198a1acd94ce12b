import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from '../platform/logging.js';
import { IssuerError } from '../platform/issuer-error.js';
import { sendError } from './error-filter.js';
import { pathOf } from './usual-url.js';

/**
 * Answers requests that no route takes: 405 with `Allow` where the path has routes for other methods (RFC 9110
 * section 15.5.6), else 404. OPTIONS is such a method too: nothing here grants a browser more than a plain GET.
 *
 * Both come before any credential is looked at, on the routes of admins too: nothing is done, the database is not
 * asked, so no token can be tried here, and `/api/openapi.json` shows the routes to everybody.
 */
export function refuseWrongMethods(fastify: FastifyInstance, logger: Logger): void {
  const routes = new Routes();
  fastify.addHook('onRoute', ({ url, method }) => {
    routes.add(url, [method].flat());
  });
  // Before the body is read: a wrong path or method comes before a wrong body.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.is404) sendError(refusalOf(request, routes), request, reply, logger);
    else done();
  });
  // For a path that Nest cannot route.
  fastify.setNotFoundHandler((request, reply) => {
    sendError(refusalOf(request, routes), request, reply, logger);
  });
}

function refusalOf({ raw, method }: FastifyRequest, routes: Routes): IssuerError {
  const allow = routes.methodsAt(decoded(pathOf(raw.url ?? '/')));
  if (allow.length === 0) {
    return new IssuerError('NOT_FOUND', 'There is nothing here: see /api/docs for the endpoints.');
  }
  return new IssuerError(
    'METHOD_NOT_ALLOWED',
    `This path does not take ${method}: send ${allow.join(', ')}. If you did, a redirect on the way has changed it: ` +
      'use the address that the redirect leads to.',
    { headers: { allow: allow.join(', ') } },
  );
}

/** The methods of each path. */
class Routes {
  private readonly methods = new Map<string, { readonly path: RegExp; methods: Set<string> }>();

  /** @param pattern as Fastify has it: `/api/v1/licenses/:id`, `/api/docs/*` */
  add(pattern: string, methods: readonly string[]): void {
    const known = this.methods.get(pattern) ?? { path: asRegExp(pattern), methods: new Set() };
    for (const method of methods) known.methods.add(method);
    this.methods.set(pattern, known);
  }

  methodsAt(path: string): string[] {
    const found = [...this.methods.values()].filter((route) => route.path.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
  }
}

function asRegExp(pattern: string): RegExp {
  const parts = pattern
    .split(/(:\w+|\*)/)
    .map((part, index) =>
      index % 2 === 0
        ? part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
        : part === '*'
          ? '.*'
          : '[^/]+',
    );
  return new RegExp(`^${parts.join('')}$`);
}

/** With its escapes read, as the router reads it. */
function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
