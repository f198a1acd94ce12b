import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Database } from '../../src/database/database.js';
import { registerPaidLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { DatabaseLink } from './database-link.js';

const DISK_FULL = `
  CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'could not extend file "base/1": No space left on device' USING ERRCODE = '53100';
  END $$;
  CREATE TRIGGER disk_is_full BEFORE INSERT ON issued_tokens EXECUTE FUNCTION disk_is_full()`;

/** A login for the service. A superuser would not be subject to limits. */
const role = `r_${randomBytes(6).toString('hex')}`;
let database: TestDatabase;
let operator: Client;
let link: DatabaseLink;
let issuer: TestIssuer;
let instance: GitlabInstance;
let mend: () => Promise<unknown>;
beforeAll(async () => {
  database = await createTestDatabase({ template: 'template0' });
  operator = new Client({ connectionString: database.url });
  await operator.connect();
  await operator.query(`CREATE ROLE ${role} LOGIN PASSWORD 'right'`);
  await operator.query(`ALTER DATABASE ${database.name} OWNER TO ${role}`);
  await operator.query(`ALTER SCHEMA public OWNER TO ${role}`);
  link = await new DatabaseLink(database.url).open();
  const url = new URL(link.url);
  [url.username, url.password] = [role, 'right'];
  issuer = await startTestIssuer({ database, environment: { DATABASE_URL: url.href } });
  const { licenseKey } = await registerPaidLicense(issuer);
  instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
});
afterEach(async () => {
  await mend();
  await instance.serviceToken();
  await untilState('up');
});
afterAll(async () => {
  await operator.end();
  link.close();
  await issuer.stop();
  await onServer(`DROP ROLE ${role}`);
});

async function onServer(sql: string): Promise<void> {
  const url = new URL(database.url);
  url.pathname = 'postgres';
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query(sql);
  await client.end();
}

/** Changes a login. The change applies to new connections only, so the present ones are closed. */
async function changeAndHangUp(sql: string): Promise<void> {
  await operator.query(sql);
  await operator.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1',
    [role],
  );
}

/** The state in readiness and metrics, which must agree. The status of readiness is always 200. */
async function state(): Promise<unknown> {
  const ready = await fetch(`${issuer.url}/-/readiness`);
  const { checks } = (await ready.json()) as { readonly checks: { readonly database: string } };
  const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
  const [, metric] = /^issuer_database_state\{state="(\w+)"\} 1$/m.exec(metrics) ?? [];
  const [, up] = /^issuer_database_up (\d)$/m.exec(metrics) ?? [];
  const agrees = metric === checks.database && (up === '1') === ['up', 'slow'].includes(metric);
  return ready.status === 200 && agrees ? metric : [ready.status, checks, metric, up];
}

async function untilState(expected: string): Promise<void> {
  const start = performance.now();
  for (let found = await state(); found !== expected; found = await state()) {
    if (performance.now() - start > 10_000) expect(found).toBe(expected);
    await sleep(50);
  }
}

async function failedSync(): Promise<readonly unknown[]> {
  const { status, code, text } = await instance.sync();
  return [status, code, text];
}

/** What the service does when no failed write was repeated for a while. */
const tryToWrite = () => issuer.running.app.get(Database).proveWritable();

async function tablesLeft(): Promise<unknown[]> {
  const { rows } = await operator.query<object>(
    `SELECT relname FROM pg_class WHERE relname LIKE 'write_probe%'`,
  );
  return rows;
}

const told = (words: string) => issuer.logs.filter((line) => line.includes(words)).length;

describe('the state of the database in readiness, metrics and log', () => {
  it('is full while the disk is full, although reads are still answered', async () => {
    await operator.query(DISK_FULL);
    mend = () => operator.query('DROP FUNCTION IF EXISTS disk_is_full() CASCADE');
    for (let n = 0; n < 5; n += 1) {
      expect(await failedSync()).toEqual([
        503,
        'UNAVAILABLE',
        expect.stringContaining('The disk of the database is full'),
      ]);
    }
    expect(await state()).toBe('full');
    expect((await issuer.admin('GET', 'licenses')).status).toBe(200);
    // Another kind of write does not change the state.
    expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(409);
    expect(await state()).toBe('full');
    expect(told('Free space on the volume of the database')).toBe(1);

    await mend();
    await instance.serviceToken();
    expect(await state()).toBe('up');
    await tryToWrite();
    expect(await tablesLeft()).toEqual([]);
    expect(told('the database works again')).toBe(1);
  });

  it('is read_only while the database takes no writes', async () => {
    const setting = `ALTER DATABASE ${database.name} SET default_transaction_read_only`;
    await changeAndHangUp(`${setting} = on`);
    mend = () => changeAndHangUp(`${setting} = off`);
    await untilState('read_only');
    expect(await failedSync()).toEqual([
      503,
      'UNAVAILABLE',
      expect.stringContaining('The database is read-only'),
    ]);
    expect(told('let DATABASE_URL name the primary')).toBe(1);
    await expect(tryToWrite()).rejects.toThrow('read-only');
  });

  it.each([
    ['refuses the password', `PASSWORD 'other'`, `PASSWORD 'right'`],
    ['has too many connections', 'CONNECTION LIMIT 0', 'CONNECTION LIMIT -1'],
  ])('is refused, not away, while the database %s', async (_what, change, undo) => {
    await changeAndHangUp(`ALTER ROLE ${role} ${change}`);
    mend = () => operator.query(`ALTER ROLE ${role} ${undo}`);
    await untilState('refused');
    expect(await failedSync()).toEqual([
      503,
      'UNAVAILABLE',
      expect.stringContaining('The database refuses this service'),
    ]);
    expect((await issuer.admin('GET', 'licenses')).status).toBe(503);
  });

  it('is slow while answers are slow, and tokens are still issued', async () => {
    link.delay(600);
    mend = () => {
      link.delay(0);
      return Promise.resolve();
    };
    await untilState('slow');
    await instance.serviceToken();
    expect(await state()).toBe('slow');
  });

  it('is asked once by probes that come together, so that syncs find a connection', async () => {
    link.delay(600);
    mend = () => {
      link.delay(0);
      return Promise.resolve();
    };
    const probes = Array.from({ length: 40 }, () => fetch(`${issuer.url}/-/readiness`));
    await sleep(300);
    expect(issuer.running.app.get(Database).connections().waitingCount).toBe(0);
    await Promise.all(probes);
  });

  it('is away while the database cannot be reached', async () => {
    link.close();
    mend = () => link.open();
    await untilState('away');
    expect(await failedSync()).toEqual([
      503,
      'UNAVAILABLE',
      expect.stringContaining('The database is away'),
    ]);
  });
});
