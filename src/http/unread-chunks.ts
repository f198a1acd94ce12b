import type { FastifyInstance } from 'fastify';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';

/**
 * Ends a connection whose request was answered while its body was still coming in chunks. Node would
 * read the rest to its end, 2 MiB at a time before anybody else has a turn: in chunks of one byte that
 * takes 0.3 s. A body of a known length has no such chunks and is read on as usual.
 */
export function endUnreadChunks(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onSend', ({ raw }, reply, _payload, done) => {
    if (raw.headers['transfer-encoding'] !== undefined && !raw.complete) {
      void reply.header('connection', 'close');
      const end = () => raw.socket.destroy();
      reply.raw.once('finish', guarded(logger, 'end of an answer', end));
    }
    done();
  });
}
