import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/**
 * While the service stops, every answer says that it is the last on its connection. Cutting a
 * connection that seems idle would meet requests on their way: to their clients that is a failure,
 * and validators keep it for a day.
 *
 * @param lingerMs for clients that ask again and again; and for a balancer that still sends new ones
 */
export function hangUpWithAnAnswer(fastify: FastifyInstance, lingerMs: number): void {
  let stopping = false;
  fastify.addHook('preClose', async () => {
    stopping = true;
    await sleep(lingerMs);
  });
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping) void reply.header('connection', 'close');
    done();
  });
}
