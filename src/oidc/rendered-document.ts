import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

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

/** Answers requests from any origin; 304 when the client has the document. */
export function sendDocument(
  { contentType, body, etag }: RenderedDocument,
  maxAgeSeconds: number,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  void reply
    .header('cache-control', `public, max-age=${maxAgeSeconds}`)
    .header('etag', etag)
    .header('access-control-allow-origin', '*');
  if (isCurrent(request.headers['if-none-match'], etag)) {
    void reply.code(304).send();
    return;
  }
  void reply.code(200).header('content-type', contentType).send(body);
}

/** RFC 9110 section 13.1.2: weak comparison. */
function isCurrent(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}
