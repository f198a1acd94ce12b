import { readAppConfig } from '../../config/app-config.js';
import { verifyLedger } from '../../src/cli/verify-ledger.js';
import type { AuditedLedger } from './audited-ledger.js';

export interface Verdict {
  readonly status: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

/** `npm run ledger:verify` on the database of this ledger, beside its service. */
export async function verifyOn(
  { issuer, clock }: Pick<AuditedLedger, 'issuer' | 'clock'>,
  ...args: string[]
): Promise<Verdict> {
  const environment = {
    DATABASE_URL: issuer.database.url,
    ISSUER_URL: issuer.url,
    KEY_ENCRYPTION_KEY: issuer.keyEncryptionKey.toString('base64'),
    DATA_DIR: issuer.dataDir,
    LOG_LEVEL: 'silent',
  };
  const [out, err]: [string[], string[]] = [[], []];
  const output = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  const options = { config: readAppConfig(environment), clock };
  return { status: await verifyLedger(args, output, options), out, err };
}
