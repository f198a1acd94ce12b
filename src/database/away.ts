import { types } from 'node:util';
import { codeOf } from '../platform/code-of.js';
import { IssuerError } from '../platform/issuer-error.js';
import { DatabaseClosedError } from './database-closed.js';
import { UnreadableValueError } from './strict-types.js';
import { type DatabaseTrouble, SQLSTATE, troubleOfCode, troubleOfMessage } from './trouble.js';

/** How long a caller should wait before it tries again. */
const RETRY_AFTER_SECONDS = 2;

/** For the log and for operators. */
export const TROUBLES: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'the database is away',
  refused: 'the database refuses this service',
  too_many_connections: 'the database has no connection left for this service',
  pool_full: 'all connections of this service to the database are in use',
  full: 'the disk of the database is full',
  read_only: 'the database is read-only',
  failing: 'the database fails inside',
  contended: 'other work on the database is in the way',
  slow: 'the database does not answer in time',
};

/** For callers, who can only wait. */
const DETAILS: Readonly<Record<DatabaseTrouble, string>> = {
  away: 'The database is away: try again shortly.',
  refused: 'The database refuses this service: try again shortly. An operator has to correct this.',
  too_many_connections:
    'The database has too many connections, and none is left: try again shortly.',
  pool_full: 'All connections of this service to the database are in use: try again shortly.',
  full: 'The disk of the database is full: try again shortly. An operator has to free space.',
  read_only: 'The database is read-only at the moment: try again shortly.',
  failing: 'The database failed inside: try again shortly. An operator has to look at its log.',
  contended: 'Other work on the database was in the way: try again shortly.',
  slow: 'The database did not answer in time: try again shortly.',
};

/** Trouble that only an operator can end. */
const LASTING: ReadonlySet<DatabaseTrouble | null> = new Set(['refused', 'failing'] as const);
/** Trouble that says: this is not the server any more that our connections should lead to. */
const LEFT: ReadonlySet<DatabaseTrouble | null> = new Set(['away', 'read_only'] as const);

const FEATURE_NOT_SUPPORTED = '0A000';
/** No authorization, or no such database: an operator has to correct this. */
const CLOSED_CODES = /^(?:28...|3D000)$/;
/** Node's codes for a certificate that it does not trust, and for TLS that fails. */
const UNTRUSTED = /^(?:CERT_|ERR_TLS_|ERR_SSL_|EPROTO|SELF_SIGNED_|DEPTH_ZERO_SELF_|UNABLE_TO_)/;
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
  const trouble = troubleOf(error);
  return trouble !== null && !LASTING.has(trouble);
}

/** True when the database does not let our connections in until an operator corrects something. */
export function isDatabaseClosed(error: unknown): boolean {
  if (!types.isNativeError(error)) return false;
  if (isClosed(error)) return true;
  return ownTroubleOf(error) === null && wrappedIn(error).some(isDatabaseClosed);
}

/**
 * True when connections should be made again: the address may lead to another server by now, or a prepared
 * statement is older than the schema.
 */
export function needsNewConnections(error: unknown): boolean {
  if (LEFT.has(troubleOf(error)) || isPlanOutdated(error)) return true;
  if (!types.isNativeError(error)) return false;
  return UNTRUSTED.test(codeOf(error) ?? '') || error.message.includes('query_wait_timeout');
}

/** True when a new connection was made, and the other side is not the server that it should be. */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return UNTRUSTED.test(code) || (SQLSTATE.test(code) && needsNewConnections(error));
}

/** A migration changed what a prepared statement returns. Raised before the statement runs. */
export function isPlanOutdated(error: unknown): boolean {
  if (!types.isNativeError(error) || codeOf(error) !== FEATURE_NOT_SUPPORTED) return false;
  return Reflect.get(error, 'routine') === 'RevalidateCachedQuery';
}

/** True for errors after which a caller should try again later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof IssuerError) return error.code === 'UNAVAILABLE';
  return troubleOf(error) !== null;
}

/** Whether the error, or one that it wraps, has one of these codes. */
export function hasCode(error: unknown, codes: ReadonlySet<string>): boolean {
  if (!types.isNativeError(error)) return false;
  return codes.has(codeOf(error) ?? '') || wrappedIn(error).some((one) => hasCode(one, codes));
}

/** The error for a caller. Without a cause and a trouble, the database counts as away. */
export function databaseAway(cause?: unknown, trouble?: DatabaseTrouble): IssuerError {
  return new IssuerError('UNAVAILABLE', DETAILS[trouble ?? troubleOf(cause) ?? 'away'], {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}

function ownTroubleOf(error: Error): DatabaseTrouble | null {
  if (error instanceof UnreadableValueError) return 'failing';
  return troubleOfCode(codeOf(error) ?? '', error) ?? troubleOfMessage(error.message);
}

function isClosed(error: Error): boolean {
  if (error instanceof DatabaseClosedError) return true;
  const code = codeOf(error) ?? '';
  if (CLOSED_CODES.test(code) || UNTRUSTED.test(code)) return true;
  const trouble = ownTroubleOf(error);
  if (trouble !== null && trouble !== 'refused') return false;
  // Postgres ended the session, and not for a reason that passes.
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
