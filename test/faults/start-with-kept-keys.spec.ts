import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { expectKeptKeys, expectRecovery, LICENSE } from '../support/kept-keys.js';
import { someOf } from '../support/proofs.js';
import { type RestartedIssuer, restartedIssuer } from '../support/restarted-issuer.js';
import { createTestDatabase, type TestDatabase, testServerUrl } from '../support/test-database.js';

describe('a start that fails because of the database of DATABASE_URL', () => {
  let database: TestDatabase;
  let server: Client;
  let inside: Client;
  let role: string;
  let dataDir: string;
  let issuer: RestartedIssuer;
  let keys: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    role = `r_${database.name}`;
    server = await connected(testServerUrl());
    inside = await connected(database.url);
    await server.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'right'`);
    const url = new URL(database.url);
    Object.assign(url, { username: role, password: 'right' });
    dataDir = await mkdtemp(join(tmpdir(), 'issuer-'));
    issuer = await restartedIssuer(dataDir, url.href);
    await issuer.start();
    keys = (await issuer.keySet()).text;
  });
  afterAll(async () => {
    await issuer.stop();
    await inside.end();
    await database.drop();
    await server.query(`DROP ROLE ${role}`);
    await server.end();
    await rm(dataDir, { recursive: true });
  });

  // It makes tables, so it cannot run twice.
  const FIRST = `(SELECT min(timestamp) FROM migrations)`;
  const faults = [
    [
      'a password that was changed',
      /DATABASE_URL: the database refuses its user or password/,
      {
        spoil: () => server.query(`ALTER ROLE ${role} PASSWORD 'other'`),
        mend: () => server.query(`ALTER ROLE ${role} PASSWORD 'right'`),
      },
    ],
    [
      'a privilege that is missing',
      /may not create tables in the schema public. Run as its owner: GRANT USAGE, CREATE/,
      {
        spoil: () => server.query(`ALTER ROLE ${role} NOSUPERUSER`),
        mend: () => server.query(`ALTER ROLE ${role} SUPERUSER`),
      },
    ],
    [
      'a migration that fails',
      /the log of this process says why/,
      {
        spoil: () => inside.query(`UPDATE migrations SET name = 'x' WHERE timestamp = ${FIRST}`),
        mend: () =>
          inside.query(`UPDATE migrations SET name = $1 WHERE name = 'x'`, [firstMigration]),
      },
    ],
    [
      'a database that is gone',
      /does not exist: create it/,
      {
        spoil: async () => {
          await inside.end();
          await server.query(`ALTER DATABASE ${database.name} RENAME TO ${database.name}_x`);
        },
        mend: async () => {
          await server.query(`ALTER DATABASE ${database.name}_x RENAME TO ${database.name}`);
          inside = await connected(database.url);
        },
      },
    ],
  ] as const;
  let firstMigration: string;
  beforeAll(async () => {
    const sql = `SELECT name FROM migrations WHERE timestamp = ${FIRST}`;
    firstMigration = (await inside.query<{ name: string }>(sql)).rows[0]?.name ?? '';
  });

  it.each(someOf(faults))(
    'publishes the kept keys, and works once it is mended: %s',
    async (_what, obstacle, { spoil, mend }) => {
      await issuer.stop();
      await spoil();
      await issuer.start();
      await expectKeptKeys(issuer, keys, obstacle);
      await mend();
      await expectRecovery(issuer, keys);
    },
    60_000,
  );

  it('listens before the database is ready, however long that takes', async () => {
    await issuer.stop();
    const lock = `(hashtext('cloud_connector_issuer.migrate'))`;
    await inside.query(`SELECT pg_advisory_lock${lock}`);
    const starting = issuer.start();
    while (!issuer.logs.at(-1)?.includes('is being brought up')) await sleep(10);
    await expectKeptKeys(issuer, keys, /the database is being brought up/);
    await inside.query(`SELECT pg_advisory_unlock${lock}`);
    await starting;
    await expectRecovery(issuer, keys);
  });

  it('still refuses a wrong setting: a key-encryption key that opens nothing', async () => {
    await issuer.stop();
    const right = issuer.environment.KEY_ENCRYPTION_KEY ?? '';
    issuer.environment.KEY_ENCRYPTION_KEY = randomBytes(32).toString('base64');
    await expect(issuer.start()).rejects.toThrow(/^KEY_ENCRYPTION_KEY does not open/);
    await expect(fetch(issuer.url)).rejects.toThrow();
    issuer.environment.KEY_ENCRYPTION_KEY = right;
  });

  it('seals nothing with a wrong key-encryption key that a later attempt finds', async () => {
    await issuer.stop();
    const right = issuer.environment.KEY_ENCRYPTION_KEY ?? '';
    await server.query(`ALTER ROLE ${role} PASSWORD 'other'`);
    issuer.environment.KEY_ENCRYPTION_KEY = randomBytes(32).toString('base64');
    await issuer.start();
    await server.query(`ALTER ROLE ${role} PASSWORD 'right'`);
    const wrongKey = /KEY_ENCRYPTION_KEY does not open/;
    while (!wrongKey.test((await issuer.obstacle()) ?? '')) await sleep(50);
    expect(await issuer.keySet()).toEqual({ status: 200, text: keys });
    expect((await issuer.admin('POST', 'licenses', LICENSE)).status).toBe(503);
    issuer.environment.KEY_ENCRYPTION_KEY = right;
  });

  it('removes half-written files that a crash of an earlier start left', async () => {
    await issuer.stop();
    const drafts = [
      'published-keys.json.draft-00000000-4711-1-0123456789ab',
      'service.lock.draft-00000000-4711-1-0123456789ab',
    ];
    for (const name of drafts) {
      await writeFile(join(dataDir, name), 'half');
      await utimes(join(dataDir, name), 0, 0);
    }
    await issuer.start();
    const left = (await readdir(dataDir)).filter((name) => drafts.includes(name));
    expect(left).toEqual([]);
  });

  it('refuses a first start with the same fault, and says what to correct', async () => {
    const url = new URL(database.url);
    url.pathname = 'missing';
    const folder = await mkdtemp(join(tmpdir(), 'issuer-'));
    await chmod(folder, 0o700);
    const first = await restartedIssuer(folder, url.href);
    await expect(first.start()).rejects.toThrow('does not exist: create it');
    await rm(folder, { recursive: true });
  });
});

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}
