import { BadRequestException, HttpException, NotFoundException } from '@nestjs/common';
import {
  asIssuerError,
  graphqlErrorOf,
  INTERNAL,
  problemOf,
  seatLinkErrorOf,
  unreadableRequest,
} from './error-faces.js';
import {
  HTTP_STATUS_BY_CODE,
  IssuerError,
  type IssuerErrorCode,
} from '../platform/issuer-error.js';

const SECRET = 'a-license-key-that-was-sent';
const CODES = Object.keys(HTTP_STATUS_BY_CODE) as IssuerErrorCode[];

function withStatus(statusCode: number): Error {
  return Object.assign(new Error(SECRET), { statusCode });
}

describe('what never became a request', () => {
  it.each([
    ['HPE_HEADER_OVERFLOW', 'REQUEST_HEADER_TOO_LARGE', 431],
    ['ERR_HTTP_REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', 408],
    ['HPE_INVALID_METHOD', 'BAD_REQUEST', 400],
    [undefined, 'BAD_REQUEST', 400],
  ])('after %s is answered as %s', (word, code, status) => {
    expect(problemOf(unreadableRequest(word))).toMatchObject({ code, status });
  });
});

describe('a thrown thing', () => {
  it('keeps its text when it was meant for the caller', () => {
    const error = new IssuerError('NOT_FOUND', 'There is none.');
    expect(asIssuerError(error)).toBe(error);
  });

  it('becomes UNAVAILABLE when the database is away', () => {
    const error = Object.assign(new Error(SECRET), { code: 'ECONNREFUSED' });
    expect(asIssuerError(error)).toMatchObject({ code: 'UNAVAILABLE', cause: error });
  });

  it.each([
    ['Nest', 400, 'BAD_REQUEST', new BadRequestException(SECRET)],
    ['Nest', 404, 'NOT_FOUND', new NotFoundException(SECRET)],
    ['Fastify', 400, 'BAD_REQUEST', withStatus(400)],
    ['Fastify', 404, 'NOT_FOUND', withStatus(404)],
    ['Fastify', 413, 'PAYLOAD_TOO_LARGE', withStatus(413)],
    ['Fastify', 415, 'UNSUPPORTED_MEDIA_TYPE', withStatus(415)],
    ['Fastify', 414, 'BAD_REQUEST', withStatus(414)],
    ['Nest', 418, 'BAD_REQUEST', new HttpException(SECRET, 418)],
  ])('that %s refused with %d becomes %s, without its text', (_who, _status, code, thrown) => {
    const error = asIssuerError(thrown);
    expect(error).toMatchObject({ code, cause: thrown });
    expect(error?.message).not.toContain(SECRET);
  });

  it.each([
    ['an error', new Error(SECRET)],
    ['an error of a library with status 500', withStatus(500)],
    ['an exception with status 502', new HttpException(SECRET, 502)],
    ['an error whose status is not a number', Object.assign(new Error(), { statusCode: '404' })],
    ['an object with a status', { statusCode: 404 }],
    ['a text', SECRET],
    ['nothing', undefined],
  ])('that is a bug hides its text: %s', (_what, thrown) => {
    expect(asIssuerError(thrown)).toBeNull();
  });
});

describe('the face for admins', () => {
  it('is a problem as RFC 9457 has it, with a code', () => {
    expect(problemOf(new IssuerError('NOT_FOUND', 'There is none.'))).toEqual({
      type: '/docs/errors#not_found',
      title: 'Not Found',
      status: 404,
      detail: 'There is none.',
      code: 'NOT_FOUND',
    });
  });

  it('names each wrong member, and never a cause', () => {
    const errors = [{ pointer: '#/plan', detail: 'is unknown' }];
    const error = new IssuerError('VALIDATION_FAILED', 'No.', { errors, cause: new Error(SECRET) });
    const problem = problemOf(error);
    expect(problem.errors).toEqual(errors);
    expect(JSON.stringify(problem)).not.toContain(SECRET);
  });

  it.each(CODES)('has a title of its own for %s', (code) => {
    const { title, status } = problemOf(new IssuerError(code, 'why'));
    expect(title).not.toBe('Error');
    expect(status).toBe(HTTP_STATUS_BY_CODE[code]);
  });
});

describe('the face for instances', () => {
  const unreadable = [
    'NOT_FOUND',
    'PAYLOAD_TOO_LARGE',
    'REQUEST_HEADER_TOO_LARGE',
    'REQUEST_TIMEOUT',
    'UNSUPPORTED_MEDIA_TYPE',
    'VALIDATION_FAILED',
  ] as const;
  const changedOnTheWay = ['METHOD_NOT_ALLOWED', 'UNSUPPORTED_CONTENT_ENCODING'] as const;
  const special: IssuerErrorCode[] = [
    'RATE_LIMITED',
    'UNAVAILABLE',
    ...unreadable,
    ...changedOnTheWay,
  ];

  it.each(CODES.filter((code) => !special.includes(code)))(
    'denies with %s in a way that keeps the tokens of the instance: 200 and errors',
    (code) => {
      expect(graphqlErrorOf(new IssuerError(code, 'why'))).toEqual({
        status: 200,
        body: { errors: [{ message: 'why', extensions: { code } }] },
      });
    },
  );

  it.each(unreadable)('has one code for bytes that are not valid HTTP/1.1: %s', (code) => {
    expect(graphqlErrorOf(new IssuerError(code, 'why'))).toEqual({
      status: 200,
      body: { errors: [{ message: 'why', extensions: { code: 'BAD_REQUEST' } }] },
    });
  });

  it.each(changedOnTheWay)('keeps the status of %s, which no instance causes', (code) => {
    const status = HTTP_STATUS_BY_CODE[code];
    expect(graphqlErrorOf(new IssuerError(code, 'why'))).toMatchObject({
      status,
      body: { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    });
    expect(seatLinkErrorOf(new IssuerError(code, 'why'))).toMatchObject({ status });
  });

  it.each([
    ['RATE_LIMITED', 429],
    ['UNAVAILABLE', 503],
  ] as const)('asks to try again after %s, by the status %d', (code, status) => {
    expect(graphqlErrorOf(new IssuerError(code, 'why'))).toEqual({
      status,
      body: { errors: [{ message: 'why', extensions: { code } }] },
    });
  });

  it('says of a bug only that it is ours', () => {
    expect(graphqlErrorOf(INTERNAL).body.errors).toEqual([
      { message: INTERNAL.message, extensions: { code: 'INTERNAL' } },
    ]);
  });
});
