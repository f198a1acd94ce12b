import { codeOf } from '../platform/error-code.js';
import { isDatabaseClosed } from './away.js';
import { DatabaseClosedError } from './database-closed.js';

const REASONS: ReadonlyMap<string | null, string> = new Map([
  ['28P01', 'the database refuses its user or password: correct one of them'],
  ['28000', 'the database does not let its user in (see pg_hba.conf of the database)'],
  ['3D000', 'the database that it names does not exist: create it, or name another'],
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
  if (message.includes('SSL')) return 'asks for TLS, which the database does not offer';
  if (/^[\dA-Z]{5}$/.test(code)) return `the database ends the connection (SQLSTATE ${code})`;
  return (
    `the certificate of the database is not trusted (${code}): ` +
    'name the certificate that signed it as sslrootcert'
  );
}
