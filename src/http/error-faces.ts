import { HttpException } from '@nestjs/common';
import { databaseAway, troubleOf } from '../database/away.js';
import { IssuerError, type IssuerErrorCode } from '../platform/issuer-error.js';

/** Nest's and Fastify's own refusals. Their messages may echo input (a key, a URL); ours do not. */
const REFUSAL_BY_STATUS: Readonly<Record<number, readonly [IssuerErrorCode, string]>> = {
  400: ['BAD_REQUEST', 'The request cannot be read: send well-formed JSON and a valid URL.'],
  404: ['NOT_FOUND', 'There is nothing here: see /api/docs for the endpoints.'],
  413: ['PAYLOAD_TOO_LARGE', 'The body is larger than 1 MiB.'],
  415: ['UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json.'],
};

/** The error for the caller; null for a bug, whose details stay in the log. */
export function asIssuerError(error: unknown): IssuerError | null {
  if (error instanceof IssuerError) return error;
  if (isHangUp(error)) return new IssuerError('BAD_REQUEST', 'The request ended too soon.');
  if (troubleOf(error) !== null) return databaseAway(error);
  const status = error instanceof HttpException ? error.getStatus() : statusCodeOf(error);
  if (status === null || status >= 500) return null;
  const refusal = REFUSAL_BY_STATUS[status] ?? REFUSAL_BY_STATUS[400];
  return refusal ? new IssuerError(refusal[0], refusal[1], { cause: error }) : null;
}

/** The error for input that Node's parser gave up on, by the parser's error code. */
export function unreadableRequest(code: string | undefined): IssuerError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = 'The request line and the headers are larger than 16 KiB together.';
    return new IssuerError('REQUEST_HEADER_TOO_LARGE', detail);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const detail = 'Send the headers of a request within 10 seconds, and all of it within 30.';
    return new IssuerError('REQUEST_TIMEOUT', detail);
  }
  return new IssuerError('BAD_REQUEST', 'The request is not valid HTTP/1.1.');
}

/** Node throws this when a client hangs up in the middle of its body. */
function isHangUp(error: unknown): boolean {
  return error instanceof Error && error.message === 'aborted';
}

function statusCodeOf(error: unknown): number | null {
  const status: unknown = error instanceof Error ? Reflect.get(error, 'statusCode') : null;
  return typeof status === 'number' ? status : null;
}

export const INTERNAL = new IssuerError(
  'INTERNAL',
  'The service failed on its side: the log has the cause under the request id.',
);

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** RFC 9457; `code` is what programs match on. */
export interface Problem {
  /** Leads to the paragraph about the code, on the page that the service itself serves. */
  readonly type: `/docs/errors#${Lowercase<IssuerErrorCode>}`;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: IssuerErrorCode;
  readonly errors?: IssuerError['errors'];
  readonly [extension: string]: unknown;
}

function problemType<Code extends IssuerErrorCode>(code: Code): `/docs/errors#${Lowercase<Code>}` {
  return `/docs/errors#${code.toLowerCase() as Lowercase<Code>}`;
}

export function problemOf(error: IssuerError): Problem {
  return {
    ...error.members,
    type: problemType(error.code),
    title: TITLES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
  };
}

/** The sync protocol has one code for all malformed requests. */
const UNREADABLE: ReadonlySet<IssuerErrorCode> = new Set([
  'METHOD_NOT_ALLOWED',
  'NOT_FOUND',
  'PAYLOAD_TOO_LARGE',
  'REQUEST_HEADER_TOO_LARGE',
  'REQUEST_TIMEOUT',
  'UNSUPPORTED_CONTENT_ENCODING',
  'UNSUPPORTED_MEDIA_TYPE',
  'VALIDATION_FAILED',
]);

/**
 * No instance sends such a request: something on its way has changed it (a redirect, a proxy that compresses). The
 * status shows that in the proxy's log, and an instance keeps its tokens with every status.
 */
const CHANGED_ON_THE_WAY: ReadonlySet<IssuerErrorCode> = new Set([
  'METHOD_NOT_ALLOWED',
  'UNSUPPORTED_CONTENT_ENCODING',
]);

/** The answer to a seat link. Every other final refusal is 422: after other statuses instances ask 20 more times. */
export function seatLinkErrorOf(error: IssuerError): {
  readonly status: number;
  readonly body: { readonly errors: readonly string[]; readonly error_attribute_map: object };
} {
  const keepsStatus =
    error.status === 429 || error.status >= 500 || CHANGED_ON_THE_WAY.has(error.code);
  const details = error.errors.map(({ detail }) => detail);
  return {
    status: keepsStatus ? error.status : 422,
    body: { errors: details.length > 0 ? details : [error.message], error_attribute_map: {} },
  };
}

/** The answer to a sync, with the statuses of the sync contract. */
export function graphqlErrorOf(error: IssuerError): {
  readonly status: number;
  readonly body: { readonly errors: readonly unknown[] };
} {
  const keepsStatus =
    error.code === 'RATE_LIMITED' ||
    error.code === 'UNAVAILABLE' ||
    CHANGED_ON_THE_WAY.has(error.code);
  const extensions = { code: UNREADABLE.has(error.code) ? 'BAD_REQUEST' : error.code };
  return {
    // With 200 an instance keeps its tokens and does not retry at once. That is right for a denial, and also
    // for a bug of ours, which the same request would only trigger again.
    status: keepsStatus ? error.status : 200,
    body: { errors: [{ message: error.message, extensions }] },
  };
}
