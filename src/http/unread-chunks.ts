import type { FastifyInstance } from 'fastify';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';

/**
 * Closes a connection whose request was answered before its chunked body had arrived. Node would read the
 * rest, up to 2 MiB in one turn: in chunks of one byte that takes 0.3 s. A body of known length is read on
 * as usual.
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
