import { IssuerError } from './issuer-error.js';

/** How long a caller should wait before it asks again while the database is away. */
const RETRY_AFTER_SECONDS = 2;

/** Socket and SQLSTATE codes that say "not now" and nothing about the statement. */
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  '25006', // read_only_sql_transaction: a standby during a failover
  '25P03', // idle_in_transaction_session_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
]);

/** SQLSTATE classes: connection exceptions, and insufficient resources. */
const AWAY_CLASSES = /^(?:08|53)...$/;
/** Authorization, and a database that is not there: out of reach until an operator mends it. */
const CLOSED_CLASSES = /^(?:28...|3D000)$/;

/** `pg` gives these no code. */
const AWAY_MESSAGES = [
  'Query read timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Connection terminated',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end on the pool',
];

/** True for an error that means the database cannot be asked now, wherever a library wrapped it. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError && error.errors.some(isDatabaseAway)) return true;
  const code: unknown = Reflect.get(error, 'code');
  if (typeof code === 'string' && (AWAY_CODES.has(code) || AWAY_CLASSES.test(code))) return true;
  if (AWAY_MESSAGES.some((text) => error.message.startsWith(text))) return true;
  return isDatabaseAway(Reflect.get(error, 'driverError')) || isDatabaseAway(error.cause);
}

/** True for an error that means the database does not let us in. */
export function isDatabaseClosed(error: unknown): boolean {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null;
  return typeof code === 'string' && CLOSED_CLASSES.test(code);
}

export function databaseAway(cause?: unknown): IssuerError {
  return new IssuerError('UNAVAILABLE', 'The database is away: try again shortly.', {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}
