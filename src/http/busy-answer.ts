import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';
import { answerTo } from '../platform/error-filter.js';
import { IssuerError } from '../platform/issuer-error.js';

/** Spread out, so that those who were turned away together do not come back together. */
const RETRY_AFTER_SECONDS = { least: 2, most: 10 };

const BUSY = new IssuerError(
  'UNAVAILABLE',
  'The service has more requests than it can answer in time: try again after a few seconds.',
);

function retryAfterSeconds(): string {
  const { least, most } = RETRY_AFTER_SECONDS;
  return String(least + Math.floor(Math.random() * (most - least + 1)));
}

/**
 * Answers 503 past Fastify, for as little work as there can be. What is still to come of the request is read and
 * dropped first: closing a connection over unread bytes would reset it, and the answer would be lost.
 */
export function turnAway(
  request: IncomingMessage,
  answer: ServerResponse,
  requestId: string,
  logger: Logger,
): void {
  const say = () => {
    const { status, contentType, body } = answerTo(BUSY, request.url ?? '');
    answer.writeHead(status, {
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      'retry-after': retryAfterSeconds(),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
      connection: 'close',
    });
    answer.end(request.method === 'HEAD' ? undefined : body);
  };
  request.once('end', guarded(logger, 'end of a request', say));
  request.resume();
}

/** The same for a request that has waited in vain. */
export function turnAwayLate(reply: FastifyReply): void {
  const { status, contentType, body } = answerTo(BUSY, reply.request.url);
  void reply
    .code(status)
    .header('content-type', contentType)
    .header('retry-after', retryAfterSeconds())
    .header('connection', 'close')
    .send(Buffer.from(body));
}
