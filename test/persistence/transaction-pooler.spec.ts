import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../../src/platform/free-port.js';
import { createLogger } from '../../src/platform/logging.js';
import { Notifications } from '../../src/database/notifications.js';
import { registerPaidLicense } from '../support/builders.js';
import { describeUnless, missingProgram, programPath } from '../support/debian.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const PGBOUNCER = programPath('pgbouncer') ?? '';
const SYNC =
  'query($licenseKey: String!, $gitlabVersion: String!) { cloudConnectorAccess(licenseKey: ' +
  '$licenseKey, gitlabVersion: $gitlabVersion) { serviceToken { token } } }';

describeUnless(missingProgram('pgbouncer', 'pgbouncer'))(
  'behind PgBouncer in transaction mode',
  () => {
    let database: TestDatabase;
    let pooler: { readonly url: string; stop(): Promise<void> };
    let issuer: TestIssuer;

    beforeAll(async () => {
      database = await createTestDatabase();
      pooler = await startPgbouncer(database.url);
      issuer = await startTestIssuer({
        environment: { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: database.url },
      });
    });
    afterAll(async () => {
      await issuer.stop();
      await pooler.stop();
      await database.drop();
    });

    it('issues tokens to many at once, though a connection is never the same', async () => {
      const { licenseKey } = await registerPaidLicense(issuer);
      const syncs = Array.from({ length: 30 }, () => sync(issuer, licenseKey));
      for (const answer of await Promise.all(syncs)) {
        expect(answer).toMatchObject({
          data: { cloudConnectorAccess: { serviceToken: { token: expect.any(String) as string } } },
        });
      }
    });

    it('takes no harm from a replica that listens through it, and may never be told a thing', async () => {
      const logs: string[] = [];
      const logger = createLogger('info', { write: (line) => logs.push(line) });
      const notifications = new Notifications(logger);
      let calls = 0;
      notifications.on('signing_keys', () => void (calls += 1));
      notifications.start(pooler.url);
      while (calls === 0) await sleep(10);
      const { licenseKey } = await registerPaidLicense(issuer);
      const client = new Client({ connectionString: database.url });
      await client.connect();
      for (let count = 0; count < 20; count += 1) {
        await client.query('NOTIFY signing_keys');
        expect(JSON.stringify(await sync(issuer, licenseKey))).toContain('"token":"ey');
      }
      await client.end();
      await notifications.beforeApplicationShutdown();
      expect(logs).toEqual([]);
    });
  },
);

async function sync(issuer: TestIssuer, licenseKey: string): Promise<unknown> {
  const response = await fetch(`${issuer.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-gitlab-instance-id': '6e093570-2d3a-46ca-a085-1ce91a85c99f',
    },
    body: JSON.stringify({ query: SYNC, variables: { licenseKey, gitlabVersion: '18.5.0' } }),
  });
  return response.json();
}

async function startPgbouncer(databaseUrl: string) {
  const server = new URL(databaseUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'issuer-pgbouncer-'));
  await chmod(folder, 0o755);
  const users = join(folder, 'users.txt');
  const password = decodeURIComponent(server.password);
  await writeFile(users, `"${server.username}" "${password}"\n`, { mode: 0o644 });
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 4
`,
  );
  // It refuses root, as Postgres does.
  const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = spawn(PGBOUNCER, ['-q', join(folder, 'pgbouncer.ini')], { ...asNobody, cwd: '/' });
  const url = new URL(databaseUrl);
  url.port = String(port);
  await untilItAnswers(url.href, child);
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  };
  return { url: url.href, stop };
}

async function untilItAnswers(url: string, child: ChildProcess): Promise<void> {
  const said: string[] = [];
  child.stderr?.on('data', (data: Buffer) => said.push(data.toString()));
  for (let tries = 0; tries < 100; tries += 1) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch {
      await sleep(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw new Error(`pgbouncer does not answer: ${said.join('')}`);
}
