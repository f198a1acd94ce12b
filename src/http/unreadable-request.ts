import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError } from 'fastify';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';
import { answerTo } from './error-answer.js';
import { unreadableRequest } from './error-faces.js';
import { bareSecurityHeaders } from './security-headers.js';
import { usualUrl } from './usual-url.js';

/** A request line that Node's parser would accept. */
const REQUEST_LINE = /^[A-Z]+ (\S+) HTTP\/1\.[01]\r?\n/;

/** The server that the requests came to. */
export interface RequestSource {
  nextRequestId(): string;
  /** The first bytes of the request that the parser gave up on; null when they are unknown. */
  unreadBeginning(socket: Socket): Buffer | null;
}

/** The newest request of a connection. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The answer before that one; null for the first request of a connection. */
  readonly previous: ServerResponse | null;
}

/** Answers input that Node's parser gave up on: past Fastify, on the bare socket, and closes the connection. */
export class UnreadableRequests {
  private readonly newest = new WeakMap<Socket, Exchange>();
  private readonly answered = new WeakSet<Socket>();

  constructor(
    private readonly source: RequestSource,
    private readonly logger: Logger,
  ) {}

  /** Remembers the newest request of each connection, which may be the one that the parser gave up on. */
  watch(server: Server): void {
    const note = (request: IncomingMessage, response: ServerResponse) => {
      const previous = this.newest.get(request.socket)?.response ?? null;
      this.newest.set(request.socket, { request, response, previous });
    };
    server.prependListener('request', guarded(this.logger, 'request', note));
    server.prependListener('checkExpectation', guarded(this.logger, 'checkExpectation', note));
  }

  /** Node's event `clientError`. A failure here closes only this connection. */
  answer(error: ConnectionError, socket: Socket): void {
    try {
      this.answerInTurn(error, socket);
    } catch (cause) {
      this.logger.error({ error: cause }, 'an unreadable request could not be answered');
      socket.destroy();
    }
  }

  private answerInTurn(error: ConnectionError, socket: Socket): void {
    // A client that has hung up gets no answer. A client that goes on sending gets one.
    if (error.code === 'ECONNRESET' || !socket.writable || this.answered.has(socket)) return;
    this.answered.add(socket);
    const exchange = this.newest.get(socket);
    // The parser is still in the body of this request.
    const current = exchange?.request.complete === false ? exchange : null;
    const beginning = this.source.unreadBeginning(socket);
    const before = current ? current.previous : exchange?.response;
    const answer = () => {
      if (!socket.writable) return;
      // The request may have been answered before it was read to its end.
      if (current?.response.headersSent === true) socket.destroySoon();
      else this.write(error, socket, current?.request.url ?? urlIn(beginning));
    };
    // A client that pipelines expects the answers in the order of its requests.
    if (!before || before.closed) answer();
    else before.once('close', guarded(this.logger, 'close of an answer', answer));
  }

  private write(error: ConnectionError, socket: Socket, url: string): void {
    const requestId = this.source.nextRequestId();
    const refusal = unreadableRequest(error.code);
    const { status, contentType, body } = answerTo(refusal, url);
    // As with other requests, nothing that the caller wrote is logged.
    const line = { requestId, status, code: refusal.code, reason: error.code };
    this.logger.info(line, 'unreadable request');
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      `content-type: ${contentType}`,
      `content-length: ${body.length}`,
      'connection: close',
      'cache-control: no-store',
      ...bareSecurityHeaders(socket),
      `x-request-id: ${requestId}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body.toString()}`);
    socket.destroySoon();
  }
}

/**
 * The URL in the first bytes of a request. When they are unknown, the answer is a problem with a 4xx status: an
 * instance then keeps its tokens.
 */
function urlIn(beginning: Buffer | null): string {
  return usualUrl(REQUEST_LINE.exec(beginning?.toString('latin1') ?? '')?.[1] ?? '');
}
