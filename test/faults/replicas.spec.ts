import { Client } from 'pg';
import { buildIssuer, startChildIssuer, type ChildIssuer } from '../support/child-issuer.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('two replicas that start at the same moment on an empty database', () => {
  let database: TestDatabase;
  let replicas: ChildIssuer[] = [];
  beforeAll(async () => {
    await buildIssuer();
    database = await createTestDatabase({ template: 'template0' });
    const secrets = {
      KEY_ENCRYPTION_KEY: Buffer.alloc(32, 'k').toString('base64'),
      BOOTSTRAP_ADMIN_TOKEN: 'an-admin-token-of-both-replicas-at-once',
      ISSUER_URL: 'http://localhost:3000',
    };
    replicas = await Promise.all([1, 2, 3].map(() => startChildIssuer(database.url, secrets)));
    await Promise.all(replicas.map(({ listening }) => listening));
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.remove()));
    await database.drop();
  });

  it('make one schema and one pair of keys, which both publish', async () => {
    const published = await Promise.all(
      replicas.map(async ({ url }) => (await fetch(`${url}/oauth/discovery/keys`)).text()),
    );
    const { keys } = JSON.parse(published[0] ?? '') as { keys: unknown[] };

    expect(keys).toHaveLength(2);
    expect(new Set(published).size).toBe(1);
    await expect(ask(database.url, 'SELECT phase FROM signing_keys ORDER BY 1')).resolves.toEqual([
      { phase: 'current' },
      { phase: 'next' },
    ]);
    await expect(
      ask(
        database.url,
        'SELECT name, count(*)::int FROM migrations GROUP BY 1 HAVING count(*) > 1',
      ),
    ).resolves.toEqual([]);
  });

  it('accept the same admin token, are ready, and have logged no error', async () => {
    for (const replica of replicas) {
      expect((await replica.admin('GET', 'licenses')).status).toBe(200);
      expect((await fetch(`${replica.url}/-/readiness`)).status).toBe(200);
      expect(replica.output.stderr).toBe('');
      expect(replica.output.stdout).not.toMatch(/"level":"(warn|error|fatal)"/);
    }
  });
});

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
