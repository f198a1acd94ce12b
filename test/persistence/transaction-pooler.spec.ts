import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../../src/platform/free-port.js';
import { createLogger } from '../../src/platform/logging.js';
import { dataSourceOptions } from '../../src/data-source.js';
import { migrate } from '../../src/database/migrate.js';
import { Notifications } from '../../src/database/notifications.js';
import { licenseBody, registerPaidLicense } from '../support/builders.js';
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
    let pooler: Pooler;
    let issuer: TestIssuer;
    let direct: Client;

    beforeAll(async () => {
      database = await createTestDatabase();
      direct = new Client({ connectionString: database.url });
      await direct.connect();
      pooler = await startPgbouncer(database.url);
      issuer = await startTestIssuer({
        environment: { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: database.url },
      });
    });
    afterAll(async () => {
      await direct.end();
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

    it('works for a replica that listens through it, and may get no notification', async () => {
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

    describe('that is in trouble', () => {
      let licenseKey: string;
      beforeAll(async () => {
        ({ licenseKey } = await registerPaidLicense(issuer));
      });
      const token = async () => JSON.stringify(await sync(issuer, licenseKey));
      const created = async () => (await issuer.admin('POST', 'licenses', licenseBody())).status;

      it('serves the first request after it was killed and started again', async () => {
        expect(await token()).toContain('"token":"ey');
        await pooler.restart();
        expect(await token()).toContain('"token":"ey');
        expect(await created()).toBe(201);
      });

      it('takes a write again when its server ends the session in the middle', async () => {
        await onDatabase(database, QUITS_ONCE);
        expect(await created()).toBe(201);
        await onDatabase(database, 'DROP FUNCTION quits_once() CASCADE');
      });

      it.each([
        // A client of the test takes the only place.
        ['has no place for a client', 'max_client_conn = 1', 1],
        // The clients of the test are in transactions on all connections of the server.
        ['has no connection of the server left', 'query_wait_timeout = 1', 4],
      ])('says that there are too many connections when it %s', async (_what, setting, clients) => {
        await pooler.restart(setting);
        const others = await holdConnections(pooler.url, clients);
        for (const answer of [
          await token(),
          await (await issuer.admin('GET', 'licenses')).text(),
        ]) {
          expect(answer).toContain('"code":"UNAVAILABLE"');
          expect(answer).toContain('The database has too many connections');
        }
        expect(issuer.logs.filter((line) => line.includes('raise its limit'))).toHaveLength(1);
        for (const other of others) await other.end();
        await pooler.restart();
        expect(await token()).toContain('"token":"ey');
      });
    });

    /** The first step of a start, with this `DATABASE_URL` alone: what it says, and what it logs. */
    function starting(url: string): { readonly outcome: Promise<string>; readonly logs: string[] } {
      const logs: string[] = [];
      const logger = createLogger('warn', { write: (line) => logs.push(line) });
      const config = { databaseUrl: url, databasePoolSize: 4, databaseTimeoutMs: 5000 };
      const target = { url, setting: 'DATABASE_URL', logger };
      const outcome = migrate(dataSourceOptions(config), target).then(
        () => 'it starts',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      return { outcome, logs };
    }

    async function advisoryLocks(): Promise<unknown> {
      const { rows } = await direct.query<object>(
        `SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND database =
         (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return rows;
    }

    it('leaves no lock of a migration with the pooler', async () => {
      expect(await starting(pooler.url).outcome).toBe('it starts');
      expect(await advisoryLocks()).toEqual([]);
      expect(await starting(database.url).outcome).toBe('it starts');
    });

    it('names who holds the lock, when an older version has left it with the pooler', async () => {
      const older = new Client({ connectionString: pooler.url, application_name: 'older version' });
      await older.connect();
      await older.query(`SELECT pg_advisory_lock(hashtext('cloud_connector_issuer.migrate'))`);
      await older.end();
      const { outcome, logs } = starting(database.url);
      while (logs.length === 0) await sleep(20);
      const [, pid] =
        /another start, held up by process (\d+) \(.*idle since/.exec(logs.join('')) ?? [];
      expect(logs.join('')).toContain(`SELECT pg_terminate_backend(${String(pid)}) ends it`);
      await direct.query('SELECT pg_terminate_backend($1)', [pid]);
      expect(await outcome).toBe('it starts');
    });

    it.each([
      ['default_transaction_isolation', 'serializable', "'read committed'"],
      ['statement_timeout', '2s', '0'],
      ['synchronous_commit', 'off', "'on'"],
      ['array_nulls', 'off', "'on'"],
      ['search_path', 'nowhere', 'public'],
    ])('refuses a setting that it cannot set back there: %s = %s', async (name, value, right) => {
      const role = `ALTER ROLE ${new URL(database.url).username} IN DATABASE ${database.name}`;
      await direct.query(`${role} SET ${name} = '${value}'`);
      // A pooler that is started now has no older session.
      const other = await startPgbouncer(database.url);
      const said = await starting(other.url).outcome;
      await other.stop();
      expect(said).toContain(`Run: ${role} SET ${name} = ${right}`);
      expect(await starting(database.url).outcome).toBe(
        name === 'search_path' ? said : 'it starts',
      );
      await direct.query(`${role} RESET ${name}`);
    });
  },
);

/** The first new license ends the session. A sequence remembers that, because it is not rolled back. */
const QUITS_ONCE = `
  CREATE SEQUENCE quits;
  CREATE FUNCTION quits_once() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF nextval('quits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER quits_once BEFORE INSERT ON licenses EXECUTE FUNCTION quits_once()`;

async function onDatabase({ url }: TestDatabase, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function holdConnections(url: string, number: number): Promise<Client[]> {
  const clients = Array.from({ length: number }, () => new Client({ connectionString: url }));
  for (const client of clients) {
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN; SELECT 1');
  }
  return clients;
}

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

interface Pooler {
  readonly url: string;
  /** Kills it, and starts it again at the same address. */
  restart(setting?: string): Promise<void>;
  stop(): Promise<void>;
}

async function startPgbouncer(databaseUrl: string): Promise<Pooler> {
  const server = new URL(databaseUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'issuer-pgbouncer-'));
  await chmod(folder, 0o755);
  const users = join(folder, 'users.txt');
  const password = decodeURIComponent(server.password);
  await writeFile(users, `"${server.username}" "${password}"\n`, { mode: 0o644 });
  const url = new URL(databaseUrl);
  url.port = String(port);
  const start = async (setting: string): Promise<ChildProcess> => {
    const settings = join(folder, 'pgbouncer.ini');
    await writeFile(
      settings,
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
${setting}
`,
    );
    // It refuses root, as Postgres does.
    const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const started = spawn(PGBOUNCER, ['-q', settings], { ...asNobody, cwd: '/' });
    await untilItAnswers(url.href, started);
    return started;
  };
  const kill = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  let child = await start('');
  return {
    url: url.href,
    restart: async (setting = '') => {
      await kill();
      child = await start(setting);
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
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
