import { QueryFailedError } from 'typeorm';
import { databaseAway, isDatabaseAway, isDatabaseClosed, troubleOf } from './away.js';

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
    ['an object that is not an error', { code: 'ECONNREFUSED' }],
    ['null', null],
    ['nothing', undefined],
  ])('is false for %s, because trying again would not help', (_what, error) => {
    expect(isDatabaseAway(error)).toBe(false);
  });
});

describe('troubleOf', () => {
  const fatal = (code: string) => Object.assign(withCode(code), { severity: 'FATAL' });

  it.each([
    ['away', 'nobody listens', withCode('ECONNREFUSED')],
    ['away', 'it was stopped', withCode('57P01')],
    ['full', 'its disk is full', withCode('53100')],
    ['read_only', 'it is a standby', withCode('25006')],
    ['refused', 'it has too many connections', withCode('53300')],
    ['refused', 'it has no memory left', withCode('53200')],
    ['refused', 'the password is wrong', withCode('28P01')],
    ['refused', 'the database was dropped', withCode('3D000')],
    ['refused', 'it lets nobody connect', fatal('55000')],
    ['refused', 'its certificate has run out', withCode('CERT_HAS_EXPIRED')],
    ['refused', 'somebody else signed its certificate', withCode('SELF_SIGNED_CERT_IN_CHAIN')],
    ['refused', 'it does not speak TLS', new Error('The server does not support SSL connections')],
    ['slow', 'no answer came in time', new Error('Query read timeout')],
    ['slow', 'no connection was free', new Error('timeout exceeded when trying to connect')],
  ])('is %s when %s, wherever a library wrapped that', (trouble, _what, error) => {
    expect(troubleOf(error)).toBe(trouble);
    expect(troubleOf(new QueryFailedError('SELECT 1', [], error))).toBe(trouble);
    expect(troubleOf(new Error('a step failed', { cause: error }))).toBe(trouble);
  });

  it.each(['23505', '42P01', '57014', 'ENOENT'])('is null for %s: a bug, or the caller', (code) => {
    expect(troubleOf(withCode(code))).toBeNull();
  });

  it('tells what an operator has to mend from what may pass: a start waits for that', () => {
    for (const closed of [withCode('28P01'), withCode('CERT_HAS_EXPIRED'), fatal('55000')]) {
      expect([isDatabaseClosed(closed), isDatabaseAway(closed)]).toEqual([true, false]);
      const wrapped = new Error('DATABASE_URL', { cause: closed });
      expect([isDatabaseClosed(wrapped), isDatabaseAway(wrapped)]).toEqual([true, false]);
    }
    for (const passing of [fatal('53300'), withCode('53100'), fatal('57P03')]) {
      expect([isDatabaseClosed(passing), isDatabaseAway(passing)]).toEqual([false, true]);
    }
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

  it.each([
    ['53100', 'disk of the database is full'],
    ['25006', 'read-only'],
    ['53300', 'refuses this service'],
    ['ECONNREFUSED', 'is away'],
  ])('names the trouble of %s: %s', (code, words) => {
    expect(databaseAway(withCode(code)).message).toContain(words);
  });
});
