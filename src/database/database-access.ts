import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { generatedSecret } from '../platform/generated-secret.js';
import type { ServiceConfig } from '../platform/service-config.js';

/** Where the database is, and the secrets that belong to its content. */
export interface DatabaseAccess {
  readonly url: string;
  /** For migrations and notifications: it does not lead through a pooler. */
  readonly directUrl: string;
  readonly keyEncryptionKey: Buffer;
  /** Null: no token is set. */
  readonly bootstrapAdminToken: string | null;
}

/**
 * Secrets that are not configured are generated in the data directory, but only with the embedded
 * database, which lies there too.
 * @param embedded null when the configuration names a database
 */
export async function databaseAccess(
  config: ServiceConfig,
  embedded: { readonly connectionString: string } | null,
): Promise<DatabaseAccess> {
  const url = embedded?.connectionString ?? config.databaseUrl ?? '';
  const { keyEncryptionKey, bootstrapAdminToken } = config;
  const generate = (file: string, encoding: 'base64' | 'base64url') =>
    generatedSecret(join(config.dataDir, file), () => randomBytes(32).toString(encoding));
  return {
    url,
    directUrl: config.databaseDirectUrl ?? url,
    keyEncryptionKey:
      keyEncryptionKey ?? Buffer.from(await generate('key-encryption-key', 'base64'), 'base64'),
    bootstrapAdminToken:
      bootstrapAdminToken ?? (embedded ? await generate('admin-token', 'base64url') : null),
  };
}
