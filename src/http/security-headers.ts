import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyReply } from 'fastify';

/** RFC 6797: browsers use only TLS for a year. */
const STRICT_TRANSPORT_SECURITY = 'max-age=31536000';

/** For answers to programs: a browser loads nothing for them, and shows them in no frame. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'";

/** Headers of every answer that is not a page. */
export const FOR_PROGRAMS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': NOTHING,
} as const;

/** Swagger UI has its scripts in files, but sets styles inline. */
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

/** Limits what browsers may do with an answer. */
export function restrictBrowsers(reply: FastifyReply): void {
  void reply.header('x-content-type-options', 'nosniff');
  if (isPage(reply)) {
    void reply
      .header('content-security-policy', DOCS)
      .header('x-frame-options', 'DENY')
      .header('referrer-policy', 'no-referrer');
  } else void reply.header('content-security-policy', NOTHING);
}

/** The same for an answer on the bare socket, past Fastify. */
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

/** Answers of a listener with TLS. Node uses this class also for answers past Fastify. */
export class TlsResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(request: Request) {
    super(request);
    this.setHeader('strict-transport-security', STRICT_TRANSPORT_SECURITY);
  }
}
