import type { AppConfig } from '../../config/app-config.js';

/** The injection token of the running service's configuration. */
export const SERVICE_CONFIG = Symbol('ServiceConfig');

/** The configuration once the database has been started and the generated secrets have been read. */
export interface ServiceConfig extends AppConfig {
  readonly databaseUrl: string;
  readonly databaseDirectUrl: string;
  readonly keyEncryptionKey: Buffer;
  /** Whether the service brought its own Postgres: only then is a sample license made. */
  readonly embedded: boolean;
}
