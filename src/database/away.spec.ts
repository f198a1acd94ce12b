import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';
import {
  databaseAway,
  isDatabaseAway,
  isDatabaseClosed,
  needsNewConnections,
  troubleOf,
} from './away.js';
import { UnreadableValueError } from './strict-types.js';

function withCode(code: string, message = 'something'): Error {
  return Object.assign(new Error(message), { code });
}

function socketError(code: string): Error {
  return Object.assign(withCode(code), { syscall: 'connect' });
}

function fatal(code: string): Error {
  return Object.assign(withCode(code), { severity: 'FATAL' });
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
  it.each([
    ['away', 'nobody listens', withCode('ECONNREFUSED')],
    ['away', 'its Unix socket is gone', socketError('ENOENT')],
    ['refused', 'its Unix socket is not ours', socketError('EACCES')],
    ['away', 'it was stopped', withCode('57P01')],
    ['away', 'it crashed', withCode('57P02')],
    ['away', 'it recovers', withCode('57P03')],
    ['away', 'it ended an idle session', withCode('57P05')],
    ['away', 'nobody knows whether it committed', withCode('40003')],
    ['full', 'its disk is full', withCode('53100')],
    ['read_only', 'it is a standby', withCode('25006')],
    ['read_only', 'it recovers while it answers', withCode('55000', 'recovery is in progress')],
    ['too_many_connections', 'it has too many connections', withCode('53300')],
    ['failing', 'it has no memory left', withCode('53200')],
    ['failing', 'it has another resource no more', withCode('53400')],
    ['failing', 'it has no transaction ids left', withCode('54000')],
    ['failing', 'its disk fails', withCode('58030')],
    ['failing', 'a file of it is gone', withCode('58P01')],
    ['failing', 'its configuration is broken', withCode('F0000')],
    ['failing', 'it has a bug', withCode('XX000')],
    ['failing', 'its data is damaged', withCode('XX001')],
    ['failing', 'it writes a value that cannot be read', new UnreadableValueError('the day x')],
    ['refused', 'the password is wrong', withCode('28P01')],
    ['refused', 'the database does not exist', withCode('3D000')],
    ['refused', 'the schema was dropped', withCode('3F000')],
    ['refused', 'the database was dropped', withCode('57P04')],
    ['refused', 'a privilege was revoked', withCode('42501')],
    ['refused', 'it lets nobody connect', fatal('55000')],
    ['refused', 'its certificate has run out', withCode('CERT_HAS_EXPIRED')],
    ['refused', 'somebody else signed its certificate', withCode('SELF_SIGNED_CERT_IN_CHAIN')],
    ['refused', 'TLS fails', withCode('ERR_SSL_WRONG_VERSION_NUMBER')],
    ['refused', 'it does not speak TLS', new Error('The server does not support SSL connections')],
    ['contended', 'it ended a deadlock', withCode('40P01')],
    ['contended', 'it could not put work in an order', withCode('40001')],
    ['contended', 'a lock was not free', withCode('55P03')],
    ['contended', 'a transaction stood still', withCode('25P03')],
    ['contended', 'a transaction took too long', withCode('25P04')],
    ['slow', 'a statement took too long', withCode('57014')],
    ['slow', 'no answer came in time', new Error('Query read timeout')],
    ['pool_full', 'no connection was free', new Error('timeout exceeded when trying to connect')],
    ['away', 'TypeORM gave up its connection', new QueryRunnerAlreadyReleasedError()],
  ])('is %s when %s, wherever a library wrapped that', (trouble, _what, error) => {
    expect(troubleOf(error)).toBe(trouble);
    expect(troubleOf(new QueryFailedError('SELECT 1', [], error))).toBe(trouble);
    expect(troubleOf(new Error('a step failed', { cause: error }))).toBe(trouble);
  });

  it.each([
    ['away', '08P01', 'server conn crashed?'],
    ['away', '08P01', 'client_login_timeout (server down)'],
    ['away', '08P01', 'server login has been failing, try again later (server_login_retry)'],
    ['away', '57P01', 'the database system is shutting down'],
    ['away', '58000', 'could not get connection from the pool - AllServersDown'],
    ['away', 'XX000', 'all backend nodes are down, pgpool requires at least one valid node'],
    ['too_many_connections', '08P01', 'no more connections allowed (max_client_conn)'],
    ['too_many_connections', '08P01', 'query_wait_timeout'],
    ['too_many_connections', '53300', 'sorry, too many clients already'],
    ['too_many_connections', 'XX000', 'Max client connections reached'],
    ['too_many_connections', 'XX000', 'MaxClientsInSessionMode: max clients reached'],
    ['too_many_connections', 'XX000', 'Timed-out waiting to acquire database connection'],
  ])('is %s when a pooler says %s: %s', (trouble, code, message) => {
    expect(troubleOf(withCode(code, message))).toBe(trouble);
  });

  it.each(['23505', '42P01', '54001', '22021', 'P0001', 'ENOENT'])(
    'is null for %s: a bug, or the caller',
    (code) => {
      expect(troubleOf(withCode(code))).toBeNull();
    },
  );

  it.each([
    ['57P01', true],
    ['57P05', true],
    ['25006', true],
    ['ECONNRESET', true],
    ['CERT_HAS_EXPIRED', true],
    ['53300', false],
    ['53100', false],
    ['40P01', false],
    ['57014', false],
    ['28P01', false],
    ['0A000', false],
  ])('gives up older connections after %s: %s', (code, expected) => {
    expect(needsNewConnections(withCode(code))).toBe(expected);
    expect(needsNewConnections(new QueryFailedError('SELECT 1', [], withCode(code)))).toBe(
      expected,
    );
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
    ['53300', 'too many connections'],
    ['28P01', 'refuses this service'],
    ['ECONNREFUSED', 'is away'],
  ])('names the trouble of %s: %s', (code, words) => {
    expect(databaseAway(withCode(code)).message).toContain(words);
  });
});
