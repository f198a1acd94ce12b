import { QueryFailedError } from 'typeorm';
import { databaseAway, isDatabaseAway } from './database-away.js';

function withCode(code: string): Error {
  return Object.assign(new Error('something'), { code });
}

describe('isDatabaseAway', () => {
  it.each([
    ['nobody listens', 'ECONNREFUSED'],
    ['the connection broke', 'ECONNRESET'],
    ['the name is unknown', 'ENOTFOUND'],
    ['the name service is away', 'EAI_AGAIN'],
    ['it is shutting down', '57P01'],
    ['it crashed', '57P02'],
    ['it is starting up', '57P03'],
    ['it has no connection left', '53300'],
    ['it is a standby during a failover', '25006'],
    ['it ended a transaction that stood still', '25P03'],
    ['the connection failed', '08006'],
    ['the connection could not be made', '08001'],
  ])('is true when %s (%s), wherever a library wrapped that', (_what, code) => {
    const error = withCode(code);
    expect(isDatabaseAway(error)).toBe(true);
    expect(isDatabaseAway(new QueryFailedError('SELECT 1', [], error))).toBe(true);
    expect(isDatabaseAway(new Error('a step failed', { cause: error }))).toBe(true);
    expect(isDatabaseAway(new AggregateError([new Error('IPv6'), error]))).toBe(true);
    const deep = new Error('outer', { cause: new AggregateError([error]) });
    expect(isDatabaseAway(new QueryFailedError('SELECT 1', [], deep))).toBe(true);
  });

  it.each([
    'Query read timeout',
    'timeout exceeded when trying to connect',
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'Cannot use a pool after calling end on the pool',
  ])('is true for what the driver says without a code: %s', (message) => {
    expect(isDatabaseAway(new Error(message))).toBe(true);
  });

  it.each([
    ['a violated constraint', withCode('23505')],
    ['a missing table', withCode('42P01')],
    ['a statement that was cancelled', withCode('57014')],
    ['a missing file', withCode('ENOENT')],
    ['an error that only quotes the driver', new Error('it said: Query read timeout')],
    ['an aggregate of other errors', new AggregateError([withCode('23505'), new Error('no')])],
    ['an error with a numeric code', Object.assign(new Error('x'), { code: 8006 })],
    ['a failed query', new QueryFailedError('SELECT 1', [], withCode('42601'))],
    ['a text', 'ECONNREFUSED'],
    ['an object that is no error', { code: 'ECONNREFUSED' }],
    ['null', null],
    ['nothing', undefined],
  ])('is false for %s: that is no reason to try again', (_what, error) => {
    expect(isDatabaseAway(error)).toBe(false);
  });
});

describe('databaseAway', () => {
  it('tells a caller to try again shortly and keeps the cause for the log', () => {
    const cause = withCode('ECONNREFUSED');
    const error = databaseAway(cause);
    expect([error.code, error.status, error.retryAfterSeconds]).toEqual(['UNAVAILABLE', 503, 2]);
    expect(error.cause).toBe(cause);
    expect(error.message).not.toContain('something');
  });
});
