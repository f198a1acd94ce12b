import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { answerTo } from './error-filter.js';
import { guarded } from '../platform/guarded.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Logger } from '../platform/logging.js';
import { FOR_PROGRAMS } from './security-headers.js';

/** Spread out, so that those who were turned away together do not come back together. */
const RETRY_AFTER_SECONDS = { least: 2, most: 10 };

export const BUSY = new IssuerError(
  'UNAVAILABLE',
  'The service has more requests than it can answer in time: try again after a few seconds.',
);

export const NO_HOST = new IssuerError('BAD_REQUEST', 'Send a Host header, as HTTP/1.1 asks for.');

export const UNKNOWN_EXPECTATION = new IssuerError(
  'BAD_REQUEST',
  'The only expectation that is known here is Expect: 100-continue.',
);

function retryAfterSeconds(): string {
  const { least, most } = RETRY_AFTER_SECONDS;
  return String(least + Math.floor(Math.random() * (most - least + 1)));
}

/**
 * Answers past Fastify, for as little work as there can be, and for the last time on this connection. What is still
 * to come of the request is read and dropped first: closing a connection over unread bytes would reset it, and the
 * answer would be lost.
 */
export function refuse(
  error: IssuerError,
  request: IncomingMessage,
  answer: ServerResponse,
  requestId: string,
  logger: Logger,
): void {
  const say = () => {
    const { status, contentType, body } = answerTo(error, request.url ?? '');
    const headers: OutgoingHttpHeaders = {
      ...FOR_PROGRAMS,
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-request-id': requestId,
      connection: 'close',
    };
    if (error === BUSY) headers['retry-after'] = retryAfterSeconds();
    answer.writeHead(status, headers);
    answer.end(request.method === 'HEAD' ? undefined : body);
  };
  request.once('end', guarded(logger, 'end of a request', say));
  request.resume();
}

/** Turns a request away that Fastify has already. */
export function refuseReply(error: IssuerError, reply: FastifyReply): void {
  const { status, contentType, body } = answerTo(error, reply.request.url);
  void reply
    .code(status)
    .header('content-type', contentType)
    .header('retry-after', retryAfterSeconds())
    .header('connection', 'close')
    .send(Buffer.from(body));
}
