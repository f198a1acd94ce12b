import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError } from 'fastify';
import { unreadableRequest } from './error-faces.js';
import { answerTo } from './error-filter.js';
import type { Logger } from './logging.js';

/** A request line as Node's parser would have taken it, in what it stopped at. */
const REQUEST_LINE = /^[A-Z]+ (\S+) HTTP\/1\.[01]\r?\n/;

/**
 * Answers what never became a request, for Node's parser gave up on it: past Fastify, on the bare
 * socket, and for the last time on this connection.
 */
export function answerUnreadable(
  error: ConnectionError,
  socket: Socket,
  requestId: string,
  logger: Logger,
): void {
  // A client that has hung up gets none, and one that goes on sending no second one.
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const refusal = unreadableRequest(error.code);
  // Absent after a time-out, and no such thing as Fastify's type of it.
  const packet: unknown = Reflect.get(error, 'rawPacket');
  const line = REQUEST_LINE.exec(Buffer.isBuffer(packet) ? packet.toString('latin1') : '');
  const url = line?.[1] ?? '';
  const { status, contentType, body } = answerTo(refusal, url);
  // As with requests, nothing that the caller wrote.
  logger.info({ requestId, status, code: refusal.code, reason: error.code }, 'unreadable request');
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-type: ${contentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    'cache-control: no-store',
    'x-content-type-options: nosniff',
    `x-request-id: ${requestId}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}
