import type { FastifyRequest } from 'fastify';

/** The client's address; empty when the connection was reset early. */
export function addressOf(request: FastifyRequest): string {
  // Fastify's type says that it is always a string.
  const address: unknown = request.ip;
  return typeof address === 'string' ? address : '';
}
