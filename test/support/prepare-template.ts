import { Client } from 'pg';

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
}
