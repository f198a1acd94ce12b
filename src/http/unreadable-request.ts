import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError } from 'fastify';
import { unreadableRequest } from './error-faces.js';
import { answerTo } from './error-filter.js';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';
import { bareSecurityHeaders } from './security-headers.js';

/** A request line as Node's parser would have taken it. */
const REQUEST_LINE = /^[A-Z]+ (\S+) HTTP\/1\.[01]\r?\n/;

/** Where requests come from. */
export interface RequestSource {
  nextRequestId(): string;
  /** The first bytes of the request that the parser gave up; null when they are not known. */
  unreadBeginning(socket: Socket): Buffer | null;
}

/** The newest request of a connection. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The answer before that one; null for the first request of a connection. */
  readonly previous: ServerResponse | null;
}

/**
 * Answers what never became a request, for Node's parser gave up on it: past Fastify, on the bare
 * socket, and for the last time on this connection.
 */
export class UnreadableRequests {
  private readonly newest = new WeakMap<Socket, Exchange>();
  private readonly answered = new WeakSet<Socket>();

  constructor(
    private readonly source: RequestSource,
    private readonly logger: Logger,
  ) {}

  /** Notes the newest request of each connection: it tells for whom the parser gave up. */
  watch(server: Server): void {
    const note = (request: IncomingMessage, response: ServerResponse) => {
      const previous = this.newest.get(request.socket)?.response ?? null;
      this.newest.set(request.socket, { request, response, previous });
    };
    server.prependListener('request', guarded(this.logger, 'request', note));
    server.prependListener('checkExpectation', guarded(this.logger, 'checkExpectation', note));
  }

  /** Node's event `clientError`. A failure in here costs this connection and no other. */
  answer(error: ConnectionError, socket: Socket): void {
    try {
      this.answerInTurn(error, socket);
    } catch (cause) {
      this.logger.error({ error: cause }, 'an unreadable request could not be answered');
      socket.destroy();
    }
  }

  private answerInTurn(error: ConnectionError, socket: Socket): void {
    // A client that has hung up gets no answer, and one that goes on sending gets no second one.
    if (error.code === 'ECONNRESET' || !socket.writable || this.answered.has(socket)) return;
    this.answered.add(socket);
    const exchange = this.newest.get(socket);
    // The parser is still in the body of this request.
    const current = exchange?.request.complete === false ? exchange : null;
    const beginning = this.source.unreadBeginning(socket);
    const before = current ? current.previous : exchange?.response;
    const answer = () => {
      if (!socket.writable) return;
      // Whoever reads a request only in part may have answered it already.
      if (current?.response.headersSent === true) socket.destroySoon();
      else this.write(error, socket, current?.request.url ?? urlIn(beginning));
    };
    // A client that pipelines takes the answers in the order of its requests.
    if (!before || before.closed) answer();
    else before.once('close', guarded(this.logger, 'close of an answer', answer));
  }

  private write(error: ConnectionError, socket: Socket, url: string): void {
    const requestId = this.source.nextRequestId();
    const refusal = unreadableRequest(error.code);
    const { status, contentType, body } = answerTo(refusal, url);
    // As with requests, nothing that the caller wrote.
    const line = { requestId, status, code: refusal.code, reason: error.code };
    this.logger.info(line, 'unreadable request');
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      `content-type: ${contentType}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      'cache-control: no-store',
      ...bareSecurityHeaders(socket),
      `x-request-id: ${requestId}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    socket.destroySoon();
  }
}

/**
 * The URL in the first bytes of a request. Where they are not known the answer is a problem with a status of 4xx: no
 * client takes that for an answer to keep, and an instance keeps its tokens.
 */
function urlIn(beginning: Buffer | null): string {
  return REQUEST_LINE.exec(beginning?.toString('latin1') ?? '')?.[1] ?? '';
}
