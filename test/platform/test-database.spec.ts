import { Client } from 'pg';
import { createTestDatabase } from '../support/test-database.js';

describe('a database for one test', () => {
  it('is a separate copy of the template, and can be dropped while connections are open', async () => {
    const [one, other] = [await createTestDatabase(), await createTestDatabase()];
    const client = new Client({ connectionString: one.url });
    const ended = new Promise((resolve) => client.on('error', resolve));
    await client.connect();
    await client.query('CREATE TABLE mine ()');

    await expect(tablesOf(one.url)).resolves.toContain('mine');
    await expect(tablesOf(other.url)).resolves.not.toContain('mine');

    await one.drop();
    await other.drop();
    await ended;
    await expect(tablesOf(one.url)).rejects.toThrow('does not exist');
  });
});

async function tablesOf(url: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ tablename: string }>('SELECT tablename FROM pg_tables');
    return rows.map((row) => row.tablename);
  } finally {
    await client.end();
  }
}
