import type { FastifyReply } from 'fastify';

/**
 * Sends JSON with exactly this `contentType`. To a string Fastify would append `; charset=utf-8`, and an
 * instance would then not parse the body.
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
