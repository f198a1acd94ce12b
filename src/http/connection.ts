import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';

/** `silent`: no request yet. `idle`: every request is answered. `busy`: at least one is not. */
export type ConnectionState = 'silent' | 'idle' | 'busy';

interface Exchange {
  readonly request: IncomingMessage;
  readonly answer: ServerResponse;
  readonly work: RequestListener;
}

/** Node's parser gets this many bytes first. Each further slice is twice as long. */
const FIRST_SLICE_BYTES = 512;

/**
 * One client's connection. It has one request in work at a time. A client may pipeline requests (RFC 9112
 * section 9.3.2): Node's server would start all of them, two thousand from one packet, before other clients
 * have a turn.
 */
export class Connection {
  state: ConnectionState = 'silent';
  /** Since when it is in this state, by a monotonic clock in ms. */
  since = performance.now();
  private current: Exchange | null = null;
  private readonly waiting: Exchange[] = [];
  private beginning: Buffer | null = null;
  private taken = 0;
  private isHeld = false;
  private unreadSince: number | null = null;
  /** One guarded function each for all requests of the connection. */
  private readonly finished: () => void;
  private readonly startNext: () => void;

  constructor(
    readonly socket: Socket,
    /** Its network, for counting; null for a trusted proxy. */
    readonly network: string | null,
    private readonly maxRequests: number,
    private readonly logger: Logger,
    private readonly onState: () => void,
  ) {
    this.finished = guarded(logger, 'close of an answer', () => {
      this.finish();
    });
    this.startNext = guarded(logger, 'a request sent ahead', () => {
      if (this.current) this.start(this.current);
    });
  }

  /** The first bytes of a request whose headers have not all arrived; null while another is in work. */
  get unreadBeginning(): Buffer | null {
    return this.beginning;
  }

  /** Whether its client has sent only a part of a request: to close it loses no work. */
  get isArriving(): boolean {
    return this.current?.request.complete === false && !this.current.answer.headersSent;
  }

  /** Does `work` in the turn of the request. Requests beyond the limit of a connection are dropped. */
  take(request: IncomingMessage, answer: ServerResponse, work: RequestListener): void {
    this.taken += 1;
    this.beginning = null;
    if (this.taken > this.maxRequests) return;
    if (this.taken === this.maxRequests) answer.setHeader('connection', 'close');
    const exchange = { request, answer, work };
    if (this.current) {
      this.waiting.push(exchange);
      return;
    }
    this.change('busy');
    this.start(exchange);
  }

  /** Since when the client leaves a whole answer unread, by a monotonic clock in ms; null when it reads. */
  unreadAnswerSince(now: number): number | null {
    const answer = this.current?.answer;
    const unread = answer?.writableEnded === true && !answer.writableFinished;
    this.unreadSince = unread ? (this.unreadSince ?? now) : null;
    return this.unreadSince;
  }

  /**
   * Stands between the socket and Node's parser. It stops reading until all pipelined requests are answered:
   * the rest stays in the socket, and the client's buffer fills up.
   */
  feedInSlices(): void {
    const { socket } = this;
    const parsers = socket.listeners('data');
    const feed = (bytes: Buffer) => {
      let end = 0;
      for (let length = FIRST_SLICE_BYTES; end < bytes.length; length *= 2) {
        if (socket.destroyed || socket.writableEnded) return;
        const slice = bytes.subarray(end, (end += length));
        if (this.current === null) this.beginning ??= slice;
        for (const parse of parsers) parse.call(socket, slice);
        if (this.waiting.length > 0) {
          this.hold(bytes.subarray(end));
          return;
        }
      }
    };
    socket.on('data', guarded(this.logger, 'data', feed));
    for (const parse of parsers) socket.removeListener('data', parse as () => void);
  }

  private hold(rest: Buffer): void {
    this.isHeld = true;
    this.socket.pause();
    if (rest.length > 0) this.socket.unshift(rest);
  }

  private start(exchange: Exchange): void {
    this.current = exchange;
    exchange.answer.once('close', this.finished);
    exchange.work(exchange.request, exchange.answer);
  }

  private finish(): void {
    this.current = null;
    this.unreadSince = null;
    if (this.socket.destroyed) return;
    const next = this.waiting.shift();
    // The unread rest may be the body of `next`.
    if (this.waiting.length === 0) this.readOn();
    if (next === undefined) {
      this.change('idle');
      return;
    }
    this.current = next;
    // Not at once: other clients have a turn in between.
    setImmediate(this.startNext);
  }

  private readOn(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    const goOn = () => this.socket.resume();
    setImmediate(guarded(this.logger, 'reading on', goOn));
  }

  private change(state: ConnectionState): void {
    this.state = state;
    this.since = performance.now();
    this.onState();
  }
}
