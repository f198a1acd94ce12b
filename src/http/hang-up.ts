import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

/**
 * While the service stops, every answer closes its connection. Closing idle connections at once could lose
 * requests that are under way, and validators keep such a failure for a day.
 *
 * @param lingerMs how long clients and a load balancer may still send requests
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
