import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyReply } from 'fastify';

/** RFC 6797: for a year browsers come by TLS only. */
const STRICT_TRANSPORT_SECURITY = 'max-age=31536000';

/** Answers to programs: a browser that shows one loads nothing for it, and in no frame. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'";

/** The headers of every answer that is not a page. */
export const FOR_PROGRAMS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': NOTHING,
} as const;

/** Swagger UI brings its scripts as files, but sets styles in its page and by its scripts. */
const DOCS = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Tells browsers what they may do with an answer. */
export function restrictBrowsers(reply: FastifyReply): void {
  void reply.header('x-content-type-options', 'nosniff');
  if (isPage(reply)) {
    void reply
      .header('content-security-policy', DOCS)
      .header('x-frame-options', 'DENY')
      .header('referrer-policy', 'no-referrer');
  } else void reply.header('content-security-policy', NOTHING);
}

/** The same for an answer that is written past Fastify, on the bare socket. */
export function bareSecurityHeaders(socket: Socket): readonly string[] {
  return [
    'x-content-type-options: nosniff',
    `content-security-policy: ${NOTHING}`,
    ...(socket instanceof TLSSocket
      ? [`strict-transport-security: ${STRICT_TRANSPORT_SECURITY}`]
      : []),
  ];
}

function isPage(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type')).startsWith('text/html');
}

/**
 * The answers of a listener with TLS of its own. Node makes some of them past Fastify (a request
 * without Host, an Expect that it does not know), but all of them of this class.
 */
export class TlsResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(request: Request) {
    super(request);
    this.setHeader('strict-transport-security', STRICT_TRANSPORT_SECURITY);
  }
}
