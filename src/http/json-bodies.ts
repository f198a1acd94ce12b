import { errorCodes, type FastifyInstance } from 'fastify';
import { guarded } from '../platform/guarded.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Logger } from '../platform/logging.js';
import { BodyBounds } from './body-bounds.js';

const FIRST_ROOM_BYTES = 4096;
/** Twice what a network of the shortest packets makes of 1 MiB. Each costs microseconds, however short. */
const MAX_PIECES = 4096;

/**
 * Lets Fastify read JSON and nothing else. A body that is too deep or too wide never gets to the
 * parser. An empty body is none: many clients announce JSON with every request.
 */
export function readJsonBodies(fastify: FastifyInstance, maxBytes: number, logger: Logger): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', (request, payload, done) => {
    if (Number(request.headers['content-length']) > maxBytes) {
      done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
      return;
    }
    const body = new GrowingBody(maxBytes);
    const bounds = new BodyBounds();
    let pieces = 0;
    const stopListening = () => {
      payload.off('data', onData).off('end', onEnd).off('error', onError);
    };
    const onError = guarded(logger, 'error of a body', (error: Error) => {
      stopListening();
      payload.pause();
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
      else if (!body.append(piece)) onError(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
    });
    payload.on('data', onData).on('end', onEnd).on('error', onError);
  });
}

/** One buffer for all pieces: a body in a million pieces of one byte costs no more than in one. */
class GrowingBody {
  length = 0;
  private bytes = Buffer.allocUnsafe(FIRST_ROOM_BYTES);

  constructor(private readonly maxBytes: number) {}

  /** @returns false when the body is longer than it may be */
  append(piece: Buffer): boolean {
    const length = this.length + piece.length;
    if (length > this.maxBytes) return false;
    if (length > this.bytes.length) {
      const room = Math.min(this.maxBytes, Math.max(length, this.bytes.length * 2));
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
