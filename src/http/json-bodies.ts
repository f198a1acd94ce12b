import type { IncomingHttpHeaders } from 'node:http';
import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { guarded } from '../platform/guarded.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Logger } from '../platform/logging.js';
import { BodyBounds } from './body-bounds.js';
import { compressedBody, notUtf8 } from './body-form.js';
import { laneOf } from './lane.js';
import { noteBodyText } from './repeated-members.js';

/** For bodies of unknown length. Node takes such a small buffer from a pool, which is far cheaper. */
const FIRST_ROOM_BYTES = 2048;
/** Every sync and seat link is smaller. */
const FREE_BYTES = 16_384;
const BUDGET_BYTES = 64 * 1_048_576;
/** Twice the pieces of 1 MiB in the shortest usual packets. Each piece costs microseconds. */
const MAX_PIECES = 4096;

/**
 * Lets Fastify read only JSON. A body that is too deep or too wide is never parsed. An empty body counts as
 * no body: many clients send the JSON content type with every request.
 */
export function readJsonBodies(fastify: FastifyInstance, maxBytes: number, logger: Logger): void {
  const budget = new BodyBudget(BUDGET_BYTES);
  const parse = parserOf(fastify);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', (request, payload, done) => {
    const refusal = compressedBody(request.headers) ?? tooLong(request.headers, maxBytes);
    if (refusal !== null) {
      done(refusal);
      return;
    }
    const body = new GrowingBody(firstRoomOf(request.headers['content-length']), maxBytes, budget);
    const bounds = new BodyBounds();
    let pieces = 0;
    const stopListening = () => {
      payload.off('data', onData).off('end', onEnd).off('error', onError);
      body.release();
    };
    const onError = guarded(logger, 'error of a body', (error: Error) => {
      stopListening();
      // Remaining chunks are not read: see endUnreadChunks. For a body of known length Node waits for the rest.
      if (request.headers['transfer-encoding'] === undefined) payload.resume();
      else payload.pause();
      done(error);
    });
    const onEnd = guarded(logger, 'end of a body', () => {
      stopListening();
      if (bounds.fault !== null) done(tooLarge(bounds.fault));
      else if (body.length === 0) done(null, undefined);
      else parse(request, body, done);
    });
    // A refused body is read to its end: otherwise the connection would be reset before the client has read
    // the refusal.
    const onData = guarded(logger, 'piece of a body', (piece: Buffer) => {
      pieces += 1;
      bounds.read(piece);
      if (pieces > MAX_PIECES) onError(tooManyPieces());
      else if (body.length + piece.length > maxBytes)
        onError(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
      else if (!body.append(piece)) onError(tooManyAtOnce());
    });
    payload.on('data', onData).on('end', onEnd).on('error', onError);
  });
}

/** By the length that the request announces. */
function tooLong(headers: IncomingHttpHeaders, maxBytes: number): Error | null {
  const isTooLong = Number(headers['content-length']) > maxBytes;
  return isTooLong ? new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE() : null;
}

type Parser = (
  request: FastifyRequest,
  body: GrowingBody,
  done: (error: Error | null, body?: unknown) => void,
) => unknown;

/** Instances' bodies are taken as they come: one that is refused hears of no new license. */
function parserOf(fastify: FastifyInstance): Parser {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  return (request, body, done) => {
    const text = body.text();
    const unreadable =
      laneOf(request.raw.url ?? '') === 'instances' ? null : notUtf8(request.headers, body.read());
    if (unreadable !== null) {
      done(unreadable);
      return undefined;
    }
    return parse(request, text, (error, parsed) => {
      noteBodyText(parsed, text);
      done(error, parsed);
    });
  };
}

/** One buffer for all pieces: a million pieces of one byte cost no more memory than one piece. */
class GrowingBody {
  length = 0;
  private bytes: Buffer;
  private released = false;

  constructor(
    firstRoom: number,
    private readonly maxBytes: number,
    private readonly budget: BodyBudget,
  ) {
    this.bytes = Buffer.allocUnsafe(firstRoom);
  }

  /** @returns false when other bodies take all the room */
  append(piece: Buffer): boolean {
    const length = this.length + piece.length;
    if (length > this.bytes.length) {
      const room = Math.min(this.maxBytes, Math.max(length, this.bytes.length * 2));
      if (!this.budget.change(this.bytes.length, room)) return false;
      const grown = Buffer.allocUnsafe(room);
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    piece.copy(this.bytes, this.length);
    this.length = length;
    return true;
  }

  read(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  text(): string {
    return this.read().toString('utf8');
  }

  /** Gives its room back. Twice does nothing. The content stays readable. */
  release(): void {
    this.budget.change(this.released ? 0 : this.bytes.length, 0);
    this.released = true;
  }
}

/**
 * The memory for all bodies that are being read. The first bytes of each body are free, and no sync has more: so
 * clients that send long bodies slowly cannot keep syncs away.
 */
class BodyBudget {
  private taken = 0;

  constructor(private readonly maxBytes: number) {}

  /** Changes the room of one body from `before` to `after`. @returns false when too little is left */
  change(before: number, after: number): boolean {
    const more = Math.max(0, after - FREE_BYTES) - Math.max(0, before - FREE_BYTES);
    if (more > 0 && this.taken + more > this.maxBytes) return false;
    this.taken += more;
    return true;
  }
}

/** Room for the whole of a short body. */
function firstRoomOf(contentLength: string | undefined): number {
  const length = Number(contentLength);
  return Number.isInteger(length) && length > 0 ? Math.min(length, FREE_BYTES) : FIRST_ROOM_BYTES;
}

function tooManyAtOnce(): IssuerError {
  return new IssuerError('UNAVAILABLE', 'Too many long bodies arrive at once: try again shortly.', {
    retryAfterSeconds: 5,
  });
}

function tooManyPieces(): IssuerError {
  const detail = `The body came in more than ${MAX_PIECES} pieces: send longer chunks.`;
  return new IssuerError('BAD_REQUEST', detail);
}

function tooLarge(fault: string): IssuerError {
  return new IssuerError('VALIDATION_FAILED', `The body ${fault}: send less at a time.`, {
    errors: [{ pointer: '#', detail: `the body ${fault}` }],
  });
}
