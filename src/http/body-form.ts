import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { IssuerError } from '../platform/issuer-error.js';

/** `Content-Encoding`, and a transfer coding beside `chunked`. */
const PLAIN = /^\s*(?:(?:identity|chunked)?\s*,\s*)*(?:identity|chunked)?\s*$/i;
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i;
/** ASCII is the same in UTF-8. */
const READABLE_CHARSET = /^(?:utf-?8|us-ascii)?$/i;

/**
 * The refusal of a compressed body; null for a plain one. Nothing here unpacks a body: a short one could become a
 * very long one. The answer names what is read instead (RFC 9110 section 15.5.16).
 */
export function compressedBody(headers: IncomingHttpHeaders): IssuerError | null {
  const encoding = headers['content-encoding'] ?? '';
  const transfer = headers['transfer-encoding'] ?? '';
  if (PLAIN.test(encoding) && PLAIN.test(transfer)) return null;
  return new IssuerError(
    'UNSUPPORTED_CONTENT_ENCODING',
    'The body is compressed: send it as it is, without Content-Encoding.',
    { headers: { 'accept-encoding': 'identity' } },
  );
}

/**
 * The refusal of a body that is not UTF-8, as JSON is (RFC 8259 section 8.1); null for one that is. Other bytes
 * would silently become U+FFFD.
 */
export function notUtf8(headers: IncomingHttpHeaders, bytes: Uint8Array): IssuerError | null {
  const charset = CHARSET.exec(headers['content-type'] ?? '')?.[1] ?? '';
  if (!READABLE_CHARSET.test(charset)) {
    return new IssuerError('UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json in UTF-8.');
  }
  if (isUtf8(bytes)) return null;
  return new IssuerError('BAD_REQUEST', 'The body is not valid UTF-8: send JSON in UTF-8.');
}
