import { errorCodes, type FastifyInstance } from 'fastify';
import { guarded } from '../platform/guarded.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Logger } from '../platform/logging.js';
import { BodyBounds } from './body-bounds.js';

/** Where the length is not known. Node takes so little from a pool, which costs far less than a buffer of its own. */
const FIRST_ROOM_BYTES = 2048;
/** Every sync and seat link fits into it. */
const FREE_BYTES = 16_384;
const BUDGET_BYTES = 64 * 1_048_576;
/** Twice what a network of the shortest packets makes of 1 MiB. Each costs microseconds, however short. */
const MAX_PIECES = 4096;

/**
 * Lets Fastify read JSON and nothing else. A body that is too deep or too wide never gets to the
 * parser. An empty body is none: many clients announce JSON with every request.
 */
export function readJsonBodies(fastify: FastifyInstance, maxBytes: number, logger: Logger): void {
  const budget = new BodyBudget(BUDGET_BYTES);
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', (request, payload, done) => {
    if (Number(request.headers['content-length']) > maxBytes) {
      done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
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
      // Chunks are not read on: see endUnreadChunks. Of a body of known length Node would wait for the rest.
      if (request.headers['transfer-encoding'] === undefined) payload.resume();
      else payload.pause();
      done(error);
    });
    const onEnd = guarded(logger, 'end of a body', () => {
      stopListening();
      if (bounds.fault !== null) done(tooLarge(bounds.fault));
      else if (body.length === 0) done(null, undefined);
      else return parse(request, body.text(), done);
      return undefined;
    });
    // What is refused is read to its end all the same: a client that is still sending would find its
    // connection reset, and never read why.
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

/** One buffer for all pieces: a body in a million pieces of one byte costs no more than in one. */
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

  /** @returns false when there is no room for it beside the bodies of others */
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

  text(): string {
    return this.bytes.toString('utf8', 0, this.length);
  }

  /** Gives its room back; twice does nothing. What it holds stays readable. */
  release(): void {
    this.budget.change(this.released ? 0 : this.bytes.length, 0);
    this.released = true;
  }
}

/**
 * What all bodies that are being read may take together. The first bytes of each are free, and they are all that a
 * sync has: clients that send long bodies slowly keep none of those away.
 */
class BodyBudget {
  private taken = 0;

  constructor(private readonly maxBytes: number) {}

  /** Takes the room of one body from `before` to `after`. @returns false when there is not so much left */
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
