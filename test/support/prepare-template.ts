import 'reflect-metadata';
import { Client } from 'pg';
import { dataSourceOptions } from '../../src/data-source.js';
import { createLogger } from '../../src/platform/logging.js';
import { migrate } from '../../src/database/migrate.js';

export const TEMPLATE_DATABASE = 'template_issuer';

/** Makes the database that every test's own database is a copy of. Runs once per test run. */
export async function prepareTemplate(serverUrl: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  } finally {
    await client.end();
  }
  const url = new URL(serverUrl);
  url.pathname = TEMPLATE_DATABASE;
  const config = { databaseUrl: url.href, databasePoolSize: 4, databaseTimeoutMs: 5000 };
  const logger = createLogger('silent');
  await migrate(dataSourceOptions(config), { url: url.href, setting: 'TEST_POSTGRES_URL', logger });
}
