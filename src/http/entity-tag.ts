import type { FastifyInstance } from 'fastify';
import { IssuerError } from '../platform/issuer-error.js';

/** RFC 9110 section 8.8.3. Our own tags have neither commas nor quotes in them. */
const ENTITY_TAG = /^(?:W\/)?"([^"]*)"$/;
/** What compressing proxies add to the tag of an answer: Apache `-gzip` and `-br`, Jetty `--gzip` and `;gzip`. */
const CODING_SUFFIX = /^(?:--?|;)(?:gzip|br|deflate|zstd)$/;

/** The strong entity tag of a row's version (RFC 9110 section 8.8.3). */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/**
 * Whether `If-Match` or `If-None-Match` names `ours`, a strong tag, or `*`. A proxy that compresses an answer makes
 * its tag weak (nginx, HAProxy, Cloudflare) or adds the coding to it (Apache). The client sends that tag back, and
 * it still means our representation.
 */
function namesTag(header: string, ours: string): boolean {
  const opaque = ours.slice(1, -1);
  return header.split(',').some((part) => {
    const given = part.trim();
    if (given === '*') return true;
    const tag = ENTITY_TAG.exec(given)?.[1];
    if (tag?.startsWith(opaque) !== true) return false;
    return tag === opaque || CODING_SUFFIX.test(tag.slice(opaque.length));
  });
}

/**
 * Allows a write only to the version that the caller has seen. `If-Match` is optional; `*` matches anything.
 *
 * RFC 9110 section 13.1.1 asks for the strong comparison, by which no weak tag matches, because a weak tag may stand
 * for several states of a resource. Ours never does: it is the number of the row's version, and a proxy that
 * compresses changes the bytes and not the version. With the strong comparison, every change through such a proxy
 * would be refused for ever.
 * @throws {IssuerError} PRECONDITION_FAILED when it names only other versions.
 */
export function requireMatch(ifMatch: string | undefined, version: number): void {
  if (ifMatch === undefined || namesTag(ifMatch, entityTag(version))) return;
  throw new IssuerError(
    'PRECONDITION_FAILED',
    'It has changed since you read it: read it again and repeat the change with its new ETag.',
  );
}

/** Answers a GET or HEAD with 304 when the client has the representation (RFC 9110 section 13.1.2). */
export function answerNotModified(fastify: FastifyInstance): void {
  fastify.addHook('onSend', ({ method, headers }, reply, payload, done) => {
    const known = headers['if-none-match'];
    const etag = reply.getHeader('etag');
    const isRead = method === 'GET' || method === 'HEAD';
    if (known === undefined || typeof etag !== 'string' || !isRead || reply.statusCode !== 200) {
      done(null, payload);
    } else if (namesTag(known, etag)) {
      void reply.code(304).removeHeader('content-type').removeHeader('content-length');
      done(null, null);
    } else done(null, payload);
  });
}
