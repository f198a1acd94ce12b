import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  asIssuerError,
  graphqlErrorOf,
  INTERNAL,
  problemOf,
  seatLinkErrorOf,
} from './error-faces.js';
import type { IssuerError, IssuerErrorCode } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { sendJson } from './send-json.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** With which code the request failed, for the log. */
    errorCode?: IssuerErrorCode;
  }
}

/** Paths that GitLab instances call: they know no problem+json. */
const FACE_BY_PATH = new Map<string, typeof graphqlErrorOf | typeof seatLinkErrorOf>([
  ['/graphql', graphqlErrorOf],
  ['/api/v1/seat_links', seatLinkErrorOf],
]);

/** The one edge at which an error becomes an answer. What is no `IssuerError` is a bug. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    // Errors of a GraphQL execution come to its controller, which throws them here again.
    if (host.getType<'http' | 'graphql'>() !== 'http') throw thrown;
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    sendError(thrown, request, http.getResponse<FastifyReply>(), this.logger);
  }
}

/** Also for what Fastify refuses before Nest sees it (an URL that cannot be decoded). */
export function sendError(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): void {
  const error = asIssuerError(thrown) ?? INTERNAL;
  request.errorCode = error.code;
  if (error.code === 'UNAVAILABLE') {
    // Many at once: the reason, without a stack.
    const reason = error.cause instanceof Error ? error.cause.message : null;
    logger.warn({ requestId: request.id, reason }, error.message);
  } else if (error.status >= 500) {
    logger.error({ requestId: request.id, error: thrown }, 'request failed');
  }
  if (error.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', String(error.retryAfterSeconds));
  }
  if (error.status === 401) void reply.header('www-authenticate', 'Bearer');
  const { status, contentType, body } = answerTo(error, request.url);
  sendJson(reply, status, contentType, body);
}

/** Each endpoint's callers get errors in the form that they know. */
export function answerTo(
  error: IssuerError,
  url: string,
): {
  readonly status: number;
  readonly contentType: 'application/json' | 'application/problem+json';
  readonly body: string;
} {
  const faceOf = FACE_BY_PATH.get(url.split('?', 1)[0] ?? '');
  if (faceOf !== undefined) {
    const { status, body } = faceOf(error);
    return { status, contentType: 'application/json', body: JSON.stringify(body) };
  }
  const body = JSON.stringify(problemOf(error));
  return { status: error.status, contentType: 'application/problem+json', body };
}
