import { resolve } from 'node:path';
import type { AppConfig } from '../../config/app-config.js';

/** The injection token of the running service's configuration. */
export const SERVICE_CONFIG = Symbol('ServiceConfig');

/** The configuration of a running service. Nothing in it waits for a disk or a database. */
export interface ServiceConfig extends AppConfig {
  /** Whether the service brings its own Postgres: only then is a sample license made. */
  readonly embedded: boolean;
}

export function serviceConfig(config: AppConfig): ServiceConfig {
  return { ...config, dataDir: resolve(config.dataDir), embedded: config.databaseUrl === null };
}
