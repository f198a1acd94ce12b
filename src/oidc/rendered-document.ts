import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';

export interface RenderedDocument {
  readonly contentType: string;
  readonly body: Buffer;
  readonly etag: string;
}

export function renderJson(document: object): RenderedDocument {
  return rendered('application/json', JSON.stringify(document));
}

export function rendered(contentType: string, text: string): RenderedDocument {
  const digest = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  // Fastify would append `; charset=utf-8` to the type of a string.
  return { contentType, body: Buffer.from(text), etag: `"${digest}"` };
}

/** Answers requests from any origin. `answerNotModified` turns it into 304 when the client has the document. */
export function sendDocument(
  { contentType, body, etag }: RenderedDocument,
  maxAgeSeconds: number,
  reply: FastifyReply,
): void {
  void reply
    .code(200)
    .header('cache-control', `public, max-age=${maxAgeSeconds}`)
    .header('etag', etag)
    .header('access-control-allow-origin', '*')
    .header('content-type', contentType)
    .send(body);
}
