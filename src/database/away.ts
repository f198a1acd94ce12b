import { types } from 'node:util';
import { codeOf } from '../platform/error-code.js';
import { IssuerError } from '../platform/issuer-error.js';
import { DatabaseClosedError } from './database-closed.js';

/**
 * Why the database cannot run a statement now, though the statement itself is right. `away`: nothing
 * answers. `refused`: the database refuses our connections, or some of them. `slow`: no answer in time.
 */
export type DatabaseTrouble = 'away' | 'refused' | 'full' | 'read_only' | 'slow';

/** How long a caller should wait before it tries again. */
const RETRY_AFTER_SECONDS = 2;

/** For the log and for operators. */
export const TROUBLES: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'the database is away',
  refused: 'the database refuses this service',
  full: 'the disk of the database is full',
  read_only: 'the database is read-only',
  slow: 'the database does not answer in time',
};

/** For callers, who can only wait. */
const DETAILS: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'The database is away: try again shortly.',
  refused: 'The database refuses this service: try again shortly. An operator has to correct this.',
  full: 'The disk of the database is full: try again shortly. An operator has to free space.',
  read_only: 'The database is read-only at the moment: try again shortly.',
  slow: 'The database did not answer in time: try again shortly.',
};

/** Socket errors and SQLSTATEs that say that the database is unavailable, and nothing about the statement. */
const TROUBLE_BY_CODE: ReadonlyMap<string, DatabaseTrouble> = new Map([
  ['ECONNREFUSED', 'away'],
  ['ECONNRESET', 'away'],
  ['EPIPE', 'away'],
  ['ETIMEDOUT', 'away'],
  ['EHOSTUNREACH', 'away'],
  ['ENETUNREACH', 'away'],
  ['ENOTFOUND', 'away'],
  ['EAI_AGAIN', 'away'],
  ['25006', 'read_only'], // read_only_sql_transaction: a standby during a failover
  ['25P03', 'away'], // idle_in_transaction_session_timeout
  ['53100', 'full'], // disk_full
  ['57P01', 'away'], // admin_shutdown
  ['57P02', 'away'], // crash_shutdown
  ['57P03', 'away'], // cannot_connect_now
]);

/** Errors of `pg` that have no code. */
const TROUBLE_BY_MESSAGE: readonly (readonly [string, DatabaseTrouble])[] = [
  ['Query read timeout', 'slow'],
  ['timeout exceeded when trying to connect', 'slow'],
  ['timeout expired', 'away'],
  ['Connection terminated', 'away'],
  ['Client has encountered a connection error and is not queryable', 'away'],
  ['Client was closed and is not queryable', 'away'],
  ['Cannot use a pool after calling end on the pool', 'away'],
];

const CONNECTION_EXCEPTION = /^08...$/;
/** Too many connections, or out of memory: this may pass soon. */
const INSUFFICIENT_RESOURCES = /^53...$/;
/** No authorization, or no such database: an operator has to correct this. */
const CLOSED_CLASSES = /^(?:28...|3D000)$/;
/** Node's codes for a certificate that it does not trust. */
const UNTRUSTED = /^(?:CERT_|ERR_TLS_|SELF_SIGNED_|DEPTH_ZERO_SELF_|UNABLE_TO_)/;
const CLOSED_MESSAGES = ['The server does not support SSL connections', 'SASL: '];

/** The trouble of the database that an error means, even inside wrappers; null for other errors. */
export function troubleOf(error: unknown): DatabaseTrouble | null {
  if (!types.isNativeError(error)) return null;
  return (
    ownTroubleOf(error) ??
    (isClosed(error) ? 'refused' : null) ??
    wrappedIn(error).map(troubleOf).find(Boolean) ??
    null
  );
}

/** True for trouble that may pass by itself, so it makes sense to try again. */
export function isDatabaseAway(error: unknown): boolean {
  return troubleOf(error) !== null && !isDatabaseClosed(error);
}

/** True when the database refuses our connections until an operator corrects something. */
export function isDatabaseClosed(error: unknown): boolean {
  if (!types.isNativeError(error) || ownTroubleOf(error) !== null) return false;
  return isClosed(error) || wrappedIn(error).some(isDatabaseClosed);
}

/** True for errors after which a caller should try again later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof IssuerError) return error.code === 'UNAVAILABLE';
  return troubleOf(error) !== null;
}

/** The error for a caller. Without a cause and a trouble, the database counts as away. */
export function databaseAway(cause?: unknown, trouble?: DatabaseTrouble): IssuerError {
  return new IssuerError('UNAVAILABLE', DETAILS[trouble ?? troubleOf(cause) ?? 'away'], {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}

function ownTroubleOf(error: Error): DatabaseTrouble | null {
  const code = codeOf(error) ?? '';
  const byCode = TROUBLE_BY_CODE.get(code);
  if (byCode !== undefined) return byCode;
  if (CONNECTION_EXCEPTION.test(code)) return 'away';
  if (INSUFFICIENT_RESOURCES.test(code)) return 'refused';
  return TROUBLE_BY_MESSAGE.find(([text]) => error.message.startsWith(text))?.[1] ?? null;
}

/** Only for errors without a trouble of their own. */
function isClosed(error: Error): boolean {
  if (error instanceof DatabaseClosedError) return true;
  const code = codeOf(error) ?? '';
  if (CLOSED_CLASSES.test(code) || UNTRUSTED.test(code)) return true;
  // Postgres ended the session for a reason that is not listed above.
  if (code !== '' && Reflect.get(error, 'severity') === 'FATAL') return true;
  return CLOSED_MESSAGES.some((text) => error.message.startsWith(text));
}

function wrappedIn(error: Error): unknown[] {
  const several: unknown = Reflect.get(error, 'errors');
  return [
    ...(Array.isArray(several) ? (several as unknown[]) : []),
    Reflect.get(error, 'driverError'),
    error.cause,
  ];
}
