import { codeOf } from '../platform/code-of.js';
import { isDatabaseClosed } from './away.js';
import { DatabaseClosedError } from './database-closed.js';

const REASONS: ReadonlyMap<string | null, string> = new Map([
  ['28P01', 'the database refuses its user or password: correct one of them'],
  ['3D000', 'the database that it names does not exist: create it, or name another'],
]);

/** Node's codes for a certificate of the database. Other codes mean that nobody known has signed it. */
const CERTIFICATE_FAULTS: ReadonlyMap<string | null, string> = new Map([
  ['CERT_HAS_EXPIRED', 'the certificate of the database has expired: renew it'],
  [
    'CERT_NOT_YET_VALID',
    'the certificate of the database is not valid yet: compare the clocks, or renew it',
  ],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'the certificate of the database is for another host name: name the database as its certificate does',
  ],
]);

/** Runs `work` on the database of the variable `setting`. When the database refuses us, the error names it. */
export async function namingTheDatabase<Result>(
  setting: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatabaseClosedError || !isDatabaseClosed(error)) throw error;
    const reason = REASONS.get(codeOf(error)) ?? otherReason(error);
    throw new DatabaseClosedError(`${setting}: ${reason}`, { cause: error });
  }
}

function otherReason(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  const code = String(codeOf(error));
  if (message.startsWith('SASL: ')) return 'the database asks for a password';
  if (message.includes('does not support SSL'))
    return 'asks for TLS, which the database does not offer';
  if (code === '28000') return notLetIn(message);
  if (/^[\dA-Z]{5}$/.test(code)) return `the database ends the connection (SQLSTATE ${code})`;
  if (code.startsWith('ERR_SSL_')) {
    return `the database refuses the TLS connection (${code}): does it know who signed sslcert?`;
  }
  return (
    CERTIFICATE_FAULTS.get(code) ??
    `the certificate of the database is not trusted (${code}): ` +
      'name the certificate that signed it as sslrootcert'
  );
}

/** The server's words name the host and the user. Only what to do is taken from them. */
function notLetIn(message: string): string {
  if (message.includes('requires a valid client certificate')) {
    return 'the database asks for a client certificate: name it and its key as sslcert and sslkey';
  }
  if (message.startsWith('certificate authentication failed')) {
    return 'the client certificate (sslcert) is for another user: its common name has to be the role';
  }
  const overTls = / no encryption$|SSL off$/.test(message)
    ? ' without TLS: try sslmode=verify-full'
    : '';
  return `the database does not let its user in${overTls} (see pg_hba.conf of the database)`;
}
