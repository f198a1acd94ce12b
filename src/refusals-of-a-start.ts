import { types } from 'node:util';
import { isDatabaseClosed } from './database/away.js';

/** What an operator must mend before the service can start. */
export class StartRefusedError extends Error {
  override readonly name = 'StartRefusedError';
}

/** The database lets us in no more. That can be mended there, so a service that publishes keys waits for it. */
export class DatabaseClosedError extends StartRefusedError {}

/**
 * The PKCS #11 token cannot be used. A token comes back, so a service that publishes keys waits for it. A PIN
 * that was refused is not tried again by this process, so the wait does not lock the token.
 */
export class TokenRefusedError extends StartRefusedError {}

const LISTENING: ReadonlyMap<unknown, string> = new Map([
  ['EADDRINUSE', 'PORT: another process listens on this port of HOST already'],
  ['EACCES', 'PORT: this user may not listen on this port: those below 1024 are for root'],
  ['EADDRNOTAVAIL', 'HOST: is not an address of this machine'],
  ['ENOTFOUND', 'HOST: this name has no address'],
  ['EAI_AGAIN', 'HOST: the name service does not answer for this name'],
]);

const DATABASE: ReadonlyMap<unknown, string> = new Map([
  ['28P01', 'the database refuses its user or password: mend one of them'],
  ['28000', 'the database does not let its user in (see pg_hba.conf of the database)'],
  ['3D000', 'the database that it names does not exist: create it, or name another'],
]);

/** Runs `listen`; what it fails with says which variable is wrong. */
export async function namingTheListener<Result>(listen: () => Promise<Result>): Promise<Result> {
  try {
    return await listen();
  } catch (error) {
    const refusal = LISTENING.get(codeOf(error));
    throw refusal === undefined ? error : new StartRefusedError(refusal, { cause: error });
  }
}

/** Runs `work` on the database at the variable `setting`; a database that shuts us out says which. */
export async function namingTheDatabase<Result>(
  setting: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isDatabaseClosed(error)) throw error;
    const reason = DATABASE.get(codeOf(error)) ?? otherReason(error);
    throw new DatabaseClosedError(`${setting}: ${reason}`, { cause: error });
  }
}

function otherReason(error: unknown): string {
  const message = types.isNativeError(error) ? error.message : '';
  const code = String(codeOf(error));
  if (message.startsWith('SASL: ')) return 'the database asks for a password';
  if (message.includes('SSL')) return 'asks for TLS, which the database does not speak';
  if (/^[\dA-Z]{5}$/.test(code)) return `the database ends the connection (SQLSTATE ${code})`;
  return (
    `the certificate of the database is not trusted (${code}): ` +
    'name the certificate that signed it as sslrootcert'
  );
}

function codeOf(error: unknown): unknown {
  return types.isNativeError(error) ? Reflect.get(error, 'code') : null;
}
