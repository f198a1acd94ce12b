import type { FastifyReply } from 'fastify';

/**
 * Sends JSON under exactly `contentType`. A string would get `; charset=utf-8` appended, and an
 * instance that does not find the bare type takes the body for a string.
 */
export function sendJson(
  reply: FastifyReply,
  status: number,
  contentType: 'application/json' | 'application/problem+json',
  json: string | Buffer,
): void {
  const body = typeof json === 'string' ? Buffer.from(json) : json;
  void reply.code(status).header('content-type', contentType).send(body);
}
