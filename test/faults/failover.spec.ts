import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../../src/platform/free-port.js';
import { activate } from '../support/activation.js';
import { licenseBody, makeActivationCode, registerPaidLicense } from '../support/builders.js';
import { type CuttableLink, startCuttableLink } from '../support/cuttable-link.js';
import { describeUnless, missingProgram, programPath } from '../support/debian.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { someOf } from '../support/proofs.js';
import { selfSignedCertificate } from '../support/self-signed-certificate.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

// They depend on when connections are opened and closed.
jest.retryTimes(1);

interface Server {
  readonly port: number;
  sql<Row extends object>(statement: string): Promise<Row[]>;
  /** As `pg_ctl stop` does: says 57P01 to every connection. */
  stop(): Promise<void>;
}

/** Postgres refuses root. Debian's package brings an account for it. */
function account(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres']).toString());
  return { uid: id('-u'), gid: id('-g') };
}

function run(program: string, ...args: string[]): void {
  execFileSync(programPath(program) ?? program, args, { ...account(), cwd: '/', stdio: 'pipe' });
}

/** Gives the servers in this folder a new certificate that nobody knows, after their next reload. */
async function newCertificate(folder: string): Promise<string> {
  const { cert, key } = selfSignedCertificate('127.0.0.1');
  const { uid, gid } = account();
  for (const [file, text] of Object.entries({ 'server.pem': cert, 'server.key': key })) {
    await writeFile(join(folder, file), text, { mode: 0o600 });
    if (uid !== undefined) await chown(join(folder, file), uid, gid ?? uid);
  }
  return cert;
}

async function startServer(folder: string, name: string): Promise<Server> {
  const port = await freePort();
  const settings = {
    ...{ port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' },
    ...{ ssl: 'on', ssl_cert_file: join(folder, 'server.pem') },
    ssl_key_file: join(folder, 'server.key'),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(
    programPath('postgres') ?? 'postgres',
    ['-D', join(folder, name), ...options],
    {
      ...{ ...account(), cwd: '/', stdio: 'ignore' },
    },
  );
  const ended = once(child, 'exit');
  const sql = async <Row extends object>(statement: string): Promise<Row[]> => {
    const client = new Client({ connectionString: urlOf(port) });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(statement)).rows;
    } finally {
      await client.end();
    }
  };
  await until(() => sql('SELECT 1').then(Boolean, () => false));
  return {
    port,
    sql,
    stop: async () => {
      child.kill('SIGINT');
      await ended;
    },
  };
}

const urlOf = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`;

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await sleep(50);
}

async function isRefused(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  const connected = await client.connect().then(Boolean, () => false);
  await client.end().catch(() => undefined);
  return !connected;
}

const writable = (server: Server) => async (): Promise<boolean> => {
  const [row] = await server.sql<{ off: boolean }>(
    `SELECT current_setting('transaction_read_only') = 'off' AS off`,
  );
  return row?.off === true;
};

/** How the old primary goes, and how the address comes to the new one. */
const FAILOVERS = [
  {
    how: 'stops, and the address leads to a standby that is promoted later',
    fails: async (primary: Server, standby: Server, link: CuttableLink) => {
      await primary.stop();
      link.leadTo(standby.port);
    },
    promotes: async (_primary: Server, standby: Server) => {
      await standby.sql('SELECT pg_promote()');
    },
  },
  {
    how: 'takes no more writes, but keeps its connections and answers questions',
    fails: async (primary: Server) => {
      await primary.sql('ALTER SYSTEM SET default_transaction_read_only = on');
      await primary.sql('SELECT pg_reload_conf()');
      await until(async () => !(await writable(primary)()));
    },
    promotes: async (_primary: Server, standby: Server, link: CuttableLink) => {
      await standby.sql('SELECT pg_promote()');
      link.leadTo(standby.port);
    },
  },
] as const;

const missing = missingProgram('pg_basebackup', 'postgresql-15');
describeUnless(missing)('a failover of streaming replication', () => {
  describe.each(someOf(FAILOVERS))('in which the old primary $how', ({ fails, promotes }) => {
    let folder: string;
    let primary: Server;
    let standby: Server;
    let link: CuttableLink;
    let issuer: TestIssuer;
    let licenseKey: string;
    let activationCode: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'issuer-failover-'));
      await chmod(folder, 0o755);
      const { uid, gid } = account();
      if (uid !== undefined) await chown(folder, uid, gid ?? uid);
      const [first, second] = [join(folder, 'first'), join(folder, 'second')];
      const authority = join(folder, 'authority.pem');
      await writeFile(authority, await newCertificate(folder));
      run('initdb', '-D', first, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync');
      primary = await startServer(folder, 'first');
      run(
        'pg_basebackup',
        '-d',
        urlOf(primary.port),
        '-D',
        second,
        '-R',
        '-c',
        'fast',
        '--no-sync',
      );
      standby = await startServer(folder, 'second');
      link = await startCuttableLink();
      link.leadTo(primary.port);
      const database = {
        url: `${urlOf(Number(new URL(link.url).port))}?sslmode=verify-full&sslrootcert=${authority}`,
        ...{ name: 'postgres', drop: () => Promise.resolve() },
      };
      issuer = await startTestIssuer({ database });
      const license = await registerPaidLicense(issuer);
      licenseKey = license.licenseKey;
      activationCode = (await makeActivationCode(issuer, license.id, { max_uses: 10 })).code;
    }, 60_000);
    afterAll(async () => {
      await issuer.stop();
      await link.close();
      await Promise.all([primary.stop(), standby.stop()]);
      await rm(folder, { recursive: true, force: true });
    });

    const sync = () =>
      new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() }).sync();
    const seatLink = () =>
      fetch(`${issuer.url}/api/v1/seat_links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          ...{ license_key: licenseKey, instance_id: randomUUID(), add_on_metrics: [] },
          ...{ billable_users_count: 3, max_historical_user_count: 3 },
        }),
      });
    const register = () => issuer.admin('POST', 'licenses', licenseBody());
    const statuses = async () => [
      (await register()).status,
      (await seatLink()).status,
      (await activate(issuer, activationCode, randomUUID())).status,
      (await sync()).status,
    ];
    const readiness = async () => (await fetch(`${issuer.url}/-/readiness`)).text();
    const isReadOnly = async () => (await readiness()).includes('"database":"read_only"');

    it('asks everybody to try again before, and all first requests succeed after it', async () => {
      expect(await statuses()).toEqual([201, 200, 200, 200]);
      await until(async () => {
        const [row] = await primary.sql<{ same: boolean }>(
          `SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) AS same FROM pg_stat_replication`,
        );
        return row?.same === true;
      });

      await fails(primary, standby, link);
      await until(isReadOnly);
      expect(await statuses()).toEqual([503, 503, 503, 503]);
      expect((await fetch(`${issuer.url}/oauth/discovery/keys`)).status).toBe(200);
      expect((await fetch(`${issuer.url}/-/readiness`)).status).toBe(200);

      await promotes(primary, standby, link);
      await until(writable(standby));
      expect(await statuses()).toEqual([201, 200, 200, 200]);
      await until(async () => (await readiness()).includes('"database":"up"'));
      // The ledger of the new primary has the tokens from before and after.
      const tokens = await standby.sql('SELECT FROM issued_tokens');
      expect(tokens).toHaveLength(2);
    }, 60_000);

    it('leaves no connection at the old primary, and the service listens to the new one', async () => {
      const listening = `SELECT FROM pg_stat_activity WHERE application_name LIKE '%listener'`;
      await until(async () => (await standby.sql(listening)).length === 1);
      const ours = `SELECT FROM pg_stat_activity WHERE application_name LIKE 'cloud-connector-issuer%'`;
      const left = () => primary.sql(ours).catch(() => []);
      await until(async () => (await left()).length === 0);
    }, 60_000);

    it('uses no older connection once the certificate has changed: it may be another server', async () => {
      expect(await statuses()).toEqual([201, 200, 200, 200]);
      await newCertificate(folder);
      await standby.sql('SELECT pg_reload_conf()');
      await until(() => isRefused(issuer.database.url));
      // The pool closes idle connections after ten seconds. Then a read needs a new one.
      const noneOpen = 'issuer_database_admin_connections{state="open"} 0';
      await until(async () =>
        (await (await fetch(`${issuer.url}/-/metrics`)).text()).includes(noneOpen),
      );
      expect((await issuer.admin('GET', 'licenses')).status).toBe(503);
      expect(await statuses()).toEqual([503, 503, 503, 503]);
      expect(await readiness()).toContain('"database":"refused"');
    }, 60_000);

    it('is no reason for an error in the log but the ones that say what to do', () => {
      const errors = issuer.logs.filter((line) => /"level":"(?:error|fatal)"/.test(line));
      const told = /the database is read-only|the database refuses this service/;
      expect(errors.filter((line) => !told.test(line))).toEqual([]);
    });
  });
});
