import type { FastifyRequest } from 'fastify';

/** The client's address; empty where the connection was reset before anybody could ask. */
export function addressOf(request: FastifyRequest): string {
  // Fastify's type promises a text always.
  const address: unknown = request.ip;
  return typeof address === 'string' ? address : '';
}
