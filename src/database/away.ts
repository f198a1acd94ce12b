import { types } from 'node:util';
import { codeOf } from '../platform/error-code.js';
import { IssuerError } from '../platform/issuer-error.js';

/**
 * Why a statement cannot be run now, through no fault of its own. `away`: nothing answers. `refused`: the
 * database lets us in no more, or not often enough. `slow`: the answer did not come in time.
 */
export type DatabaseTrouble = 'away' | 'refused' | 'full' | 'read_only' | 'slow';

/** How long a caller should wait before it asks again while the database is in trouble. */
const RETRY_AFTER_SECONDS = 2;

/** For the log and the terminal of an operator. */
export const TROUBLES: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'the database is away',
  refused: 'the database refuses this service',
  full: 'the disk of the database is full',
  read_only: 'the database is read-only',
  slow: 'the database does not answer in time',
};

/** For callers, who can do nothing but wait. */
const DETAILS: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'The database is away: try again shortly.',
  refused: 'The database refuses this service: try again shortly, while its operator sees to it.',
  full: 'The disk of the database is full: try again shortly, while its operator makes room.',
  read_only: 'The database is read-only at present: try again shortly.',
  slow: 'The database did not answer in time: try again shortly.',
};

/** Socket errors and SQLSTATEs that say "not now" and nothing about the statement. */
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

/** `pg` gives these no code. */
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
/** Too many connections, out of memory: the database has no room for us, and may have it soon. */
const INSUFFICIENT_RESOURCES = /^53...$/;
/** Authorization, and a database that is not there: out of reach until an operator mends it. */
const CLOSED_CLASSES = /^(?:28...|3D000)$/;
/** Node's words for a certificate that it does not trust. */
const UNTRUSTED = /^(?:CERT_|ERR_TLS_|SELF_SIGNED_|DEPTH_ZERO_SELF_|UNABLE_TO_)/;
const CLOSED_MESSAGES = ['The server does not support SSL connections', 'SASL: '];

/** What an error says of the database, wherever a library wrapped it; null for any other error. */
export function troubleOf(error: unknown): DatabaseTrouble | null {
  if (!types.isNativeError(error)) return null;
  return (
    ownTroubleOf(error) ??
    (isClosed(error) ? 'refused' : null) ??
    wrappedIn(error).map(troubleOf).find(Boolean) ??
    null
  );
}

/** True for trouble that may pass by itself: whoever is patient may try again. */
export function isDatabaseAway(error: unknown): boolean {
  return troubleOf(error) !== null && !isDatabaseClosed(error);
}

/** True for an error that means the database does not let us in until an operator mends it. */
export function isDatabaseClosed(error: unknown): boolean {
  if (!types.isNativeError(error) || ownTroubleOf(error) !== null) return false;
  return isClosed(error) || wrappedIn(error).some(isDatabaseClosed);
}

/** True for what asks a caller to try again later: trouble of the database, or a refusal that says so. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof IssuerError) return error.code === 'UNAVAILABLE';
  return troubleOf(error) !== null;
}

/** For a caller; with neither a cause nor a trouble the database counts as away. */
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

/** Call it only for errors without a trouble of their own. */
function isClosed(error: Error): boolean {
  const code = codeOf(error) ?? '';
  if (CLOSED_CLASSES.test(code) || UNTRUSTED.test(code)) return true;
  // Postgres ends a session with it: any reason that we do not know better.
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
