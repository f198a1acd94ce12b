import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { guarded } from '../platform/guarded.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Logger } from '../platform/logging.js';
import { FixedAnswer } from './error-answer.js';
import { FOR_PROGRAMS } from './security-headers.js';

/** Random, so that clients that were turned away together do not come back together. */
const RETRY_AFTER_SECONDS = { least: 2, most: 10 };

export const BUSY = new FixedAnswer(
  new IssuerError(
    'UNAVAILABLE',
    'The service has more requests than it can answer in time: try again after a few seconds.',
  ),
);

export const NO_HOST = new FixedAnswer(
  new IssuerError('BAD_REQUEST', 'Send a Host header: HTTP/1.1 requires it.'),
);

export const UNKNOWN_EXPECTATION = new FixedAnswer(
  new IssuerError('BAD_REQUEST', 'The only supported expectation is Expect: 100-continue.'),
);

function retryAfterSeconds(): string {
  const { least, most } = RETRY_AFTER_SECONDS;
  return String(least + Math.floor(Math.random() * (most - least + 1)));
}

/**
 * Answers past Fastify, with as little work as possible, and closes the connection. The rest of the request is
 * read and dropped first: closing a connection with unread bytes would reset it, and the answer would be lost.
 */
export function refuse(
  refusal: FixedAnswer,
  request: IncomingMessage,
  answer: ServerResponse,
  requestId: string,
  logger: Logger,
): void {
  const say = () => {
    const { status, contentType, body } = refusal.at(request.url ?? '');
    const headers: OutgoingHttpHeaders = {
      ...FOR_PROGRAMS,
      'content-type': contentType,
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-request-id': requestId,
      connection: 'close',
    };
    if (refusal === BUSY) headers['retry-after'] = retryAfterSeconds();
    answer.writeHead(status, headers);
    answer.end(request.method === 'HEAD' ? undefined : body);
  };
  request.once('end', guarded(logger, 'end of a request', say));
  request.resume();
}

/** Refuses a request that Fastify has already. */
export function refuseReply(refusal: FixedAnswer, reply: FastifyReply): void {
  const { status, contentType, body } = refusal.at(reply.request.url);
  void reply
    .code(status)
    .header('content-type', contentType)
    .header('retry-after', retryAfterSeconds())
    .header('connection', 'close')
    .send(body);
}
