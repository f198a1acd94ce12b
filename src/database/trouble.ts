/**
 * Why the database cannot run a statement now, though the statement itself is right.
 * `away`: nothing answers. `refused`: the database refuses this service.
 * `too_many_connections`: the database or its pooler has no connection left. `pool_full`: all connections
 * of this service are in use. `full`: no space on its disk. `read_only`: it takes no writes.
 * `failing`: it fails inside. `contended`: other work was in the way. `slow`: no answer in time.
 */
export type DatabaseTrouble =
  | 'away'
  | 'refused'
  | 'too_many_connections'
  | 'pool_full'
  | 'full'
  | 'read_only'
  | 'failing'
  | 'contended'
  | 'slow';

/** SQLSTATEs and Node's codes that say something about the database, and nothing about the statement. */
const BY_CODE: ReadonlyMap<string, DatabaseTrouble> = new Map([
  ['ECONNREFUSED', 'away'],
  ['ECONNRESET', 'away'],
  ['ECONNABORTED', 'away'],
  ['EPIPE', 'away'],
  ['ETIMEDOUT', 'away'],
  ['EHOSTUNREACH', 'away'],
  ['EHOSTDOWN', 'away'],
  ['ENETUNREACH', 'away'],
  ['ENETDOWN', 'away'],
  ['ENETRESET', 'away'],
  ['EADDRNOTAVAIL', 'away'],
  ['ENOTFOUND', 'away'],
  ['EAI_AGAIN', 'away'],
  ['EAI_FAIL', 'away'],
  ['ERR_STREAM_DESTROYED', 'away'],
  ['ERR_STREAM_WRITE_AFTER_END', 'away'],
  ['25006', 'read_only'], // read_only_sql_transaction: a standby server during a failover
  ['25P03', 'contended'], // idle_in_transaction_session_timeout
  ['25P04', 'contended'], // transaction_timeout
  ['3D000', 'refused'], // invalid_catalog_name: there is no such database
  ['3F000', 'refused'], // invalid_schema_name: there is no such schema
  ['40003', 'away'], // statement_completion_unknown
  ['42501', 'refused'], // insufficient_privilege
  ['53100', 'full'], // disk_full
  ['53300', 'too_many_connections'],
  ['54000', 'failing'], // program_limit_exceeded: no transaction ids are left
  ['55006', 'contended'], // object_in_use
  ['55P03', 'contended'], // lock_not_available
  ['57014', 'slow'], // query_canceled: by a timeout or an operator
  ['57P04', 'refused'], // database_dropped
  ['72000', 'contended'], // snapshot_too_old
]);

/** Classes of SQLSTATEs whose other members all mean the same. */
const BY_CLASS: ReadonlyMap<string, DatabaseTrouble> = new Map([
  ['08', 'away'], // connection exceptions, and what PgBouncer says itself
  ['28', 'refused'], // no authorization
  ['40', 'contended'], // rolled back, such as a deadlock
  ['53', 'failing'], // no memory, or another resource
  ['57', 'away'], // an operator or a shutdown ended the session
  ['58', 'failing'], // a failure outside Postgres, such as its disk
  ['F0', 'failing'], // its configuration is broken
  ['XX', 'failing'], // an internal error, damaged data
]);

/** Errors of `pg` and TypeORM that have no code. */
const BY_MESSAGE: readonly (readonly [string, DatabaseTrouble])[] = [
  ['Query read timeout', 'slow'],
  ['timeout exceeded when trying to connect', 'pool_full'],
  ['timeout expired', 'away'],
  ['Connection terminated', 'away'],
  ['Client has encountered a connection error and is not queryable', 'away'],
  ['Client was closed and is not queryable', 'away'],
  ['Cannot use a pool after calling end on the pool', 'away'],
  // TypeORM gives up a connection that breaks between two statements of a transaction.
  ['Query runner already released', 'away'],
  ['Driver not Connected', 'away'],
];

/** What poolers say under codes that mean other things, or different things in each version. */
const BY_POOLER: readonly (readonly [RegExp, DatabaseTrouble])[] = [
  [/no more connections allowed|max client|MaxClients/i, 'too_many_connections'],
  [/too many (?:clients|connections)|query_wait_timeout/i, 'too_many_connections'],
  [/waiting to acquire database connection/i, 'too_many_connections'],
  [/could not get connection from the pool|all backend nodes are down/i, 'away'],
  [/client_login_timeout|server conn crashed|server login has been failing/i, 'away'],
  [/\brecovery is in progress|\bduring recovery\b/i, 'read_only'],
];

/** Not Node's EPIPE. */
export const SQLSTATE = /^(?!E[A-Z]{4}$)[\dA-Z]{5}$/;

/** @param code an SQLSTATE or one of Node's codes; empty for none */
export function troubleOfCode(code: string, error: Error): DatabaseTrouble | null {
  const isFromServer = SQLSTATE.test(code);
  const byPooler = isFromServer && BY_POOLER.find(([text]) => text.test(error.message))?.[1];
  return (
    BY_CODE.get(code) ??
    (byPooler || (isFromServer && BY_CLASS.get(code.slice(0, 2))) || troubleOfSocket(code, error))
  );
}

/** For a Unix socket Node's codes are those of files, such as ENOENT while Postgres is stopped. */
function troubleOfSocket(code: string, error: Error): DatabaseTrouble | null {
  if (Reflect.get(error, 'syscall') !== 'connect') return null;
  return code === 'EACCES' || code === 'EPERM' ? 'refused' : 'away';
}

export function troubleOfMessage(message: string): DatabaseTrouble | null {
  return BY_MESSAGE.find(([text]) => message.startsWith(text))?.[1] ?? null;
}
