import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';

/** `silent`: no request yet. `idle`: every request is answered. `busy`: at least one is not. */
export type ConnectionState = 'silent' | 'idle' | 'busy';

interface Exchange {
  readonly request: IncomingMessage;
  readonly answer: ServerResponse;
  readonly work: () => void;
}

/** How much of what has arrived Node's parser is given first. Each further slice is twice as long. */
const FIRST_SLICE_BYTES = 512;

/**
 * One client's connection, which has one request in work at a time. Node's server would start every request that
 * a client sends ahead (RFC 9112 section 9.3.2), two thousand from one packet, before anybody else's turn.
 */
export class Connection {
  state: ConnectionState = 'silent';
  /** When it came into this state, by a monotonic clock in ms. */
  since = performance.now();
  private current: Exchange | null = null;
  private readonly waiting: Exchange[] = [];
  private beginning: Buffer | null = null;
  private taken = 0;
  private isHeld = false;
  private unreadSince: number | null = null;

  constructor(
    readonly socket: Socket,
    /** The network that it is counted for; null for a trusted proxy's. */
    readonly network: string | null,
    private readonly maxRequests: number,
    private readonly logger: Logger,
    private readonly onState: () => void,
  ) {}

  /** How a request began whose headers have not arrived yet; null when others are in work before it. */
  get unreadBeginning(): Buffer | null {
    return this.beginning;
  }

  /** Whether its client has not sent the whole of a request yet, so that no work would be lost with it. */
  get isArriving(): boolean {
    return this.current?.request.complete === false && !this.current.answer.headersSent;
  }

  /** Does `work` when the turn of its request comes. A request after the last one of a connection is dropped. */
  take(request: IncomingMessage, answer: ServerResponse, work: () => void): void {
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

  /** Since when the client has left a whole answer unread, by a monotonic clock in ms; null: it has not. */
  unreadAnswerSince(now: number): number | null {
    const answer = this.current?.answer;
    const unread = answer?.writableEnded === true && !answer.writableFinished;
    this.unreadSince = unread ? (this.unreadSince ?? now) : null;
    return this.unreadSince;
  }

  /**
   * Stands between the socket and Node's parser. It goes on reading only when all that was sent ahead is answered:
   * the rest stays in the socket, and the client's own buffer fills up.
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
    const finish = () => {
      this.finish();
    };
    exchange.answer.once('close', guarded(this.logger, 'close of an answer', finish));
    exchange.work();
  }

  private finish(): void {
    this.current = null;
    this.unreadSince = null;
    if (this.socket.destroyed) return;
    const next = this.waiting.shift();
    // The rest of what was sent ahead may be the body of `next`.
    if (this.waiting.length === 0) this.readOn();
    if (next === undefined) {
      this.change('idle');
      return;
    }
    this.current = next;
    const start = () => {
      this.start(next);
    };
    // Not at once: the others have their turn in between.
    setImmediate(guarded(this.logger, 'a request sent ahead', start));
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
