import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IssuerErrorCode } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { answerTo } from './error-answer.js';
import { asIssuerError, INTERNAL } from './error-faces.js';
import { sendJson } from './send-json.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The code of the failure, for the log. */
    errorCode?: IssuerErrorCode;
  }
}

/** The one place where an error becomes an answer. An error that is not an `IssuerError` is a bug. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    // Errors of a GraphQL execution go to its controller, which throws them here again.
    if (host.getType<'http' | 'graphql'>() !== 'http') throw thrown;
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    sendError(thrown, request, http.getResponse<FastifyReply>(), this.logger);
  }
}

/** Also for requests that Fastify refuses before Nest sees them (a URL that cannot be decoded). */
export function sendError(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): void {
  const error = asIssuerError(thrown) ?? INTERNAL;
  request.errorCode = error.code;
  if (error.licenseId !== undefined) {
    request.subject = { ...request.subject, licenseId: error.licenseId };
  }
  if (error.code === 'UNAVAILABLE') {
    // There may be many at once: only the reason, without a stack.
    const reason = error.cause instanceof Error ? error.cause.message : null;
    logger.warn({ requestId: request.id, reason }, error.message);
  } else if (error.status >= 500) {
    logger.error({ requestId: request.id, error: thrown }, 'request failed');
  }
  if (error.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', String(error.retryAfterSeconds));
  }
  void reply.headers(error.headers);
  if (error.status === 401) void reply.header('www-authenticate', 'Bearer');
  const { status, contentType, body } = answerTo(error, request.url);
  sendJson(reply, status, contentType, body);
}
