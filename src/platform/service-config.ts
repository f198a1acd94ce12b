import { resolve } from 'node:path';
import type { AppConfig } from '../../config/app-config.js';

/** The injection token of the running service's configuration. */
export const SERVICE_CONFIG = Symbol('ServiceConfig');

/** The configuration of a running service. It is complete before any disk or database is used. */
export interface ServiceConfig extends AppConfig {
  /** Whether the service runs its own Postgres. Only then it makes a sample license. */
  readonly embedded: boolean;
}

export function serviceConfig(config: AppConfig): ServiceConfig {
  return { ...config, dataDir: resolve(config.dataDir), embedded: config.databaseUrl === null };
}
