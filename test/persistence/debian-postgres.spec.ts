import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { Client } from 'pg';
import { dataSourceOptions } from '../../src/data-source.js';
import { migrate } from '../../src/database/migrate.js';
import { namingTheDatabase } from '../../src/database/refused-database.js';
import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { LedgerRetention } from '../../src/ledger/ledger-retention.js';
import { createLogger } from '../../src/platform/logging.js';
import { registerPaidLicense } from '../support/builders.js';
import { describeUnless, missingProgram, programPath } from '../support/debian.js';
import { type DebianPostgres, startDebianPostgres } from '../support/debian-postgres.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import type { TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { verifyOn } from './ledger-command.js';

/** By then, the next key has been published for long enough to sign. */
const LEAD_MS = 95_040_000;
const missing =
  missingProgram('initdb', 'postgresql-15') ?? missingProgram('openssl', 'openssl') ?? null;

describeUnless(missing)("on Debian's Postgres", () => {
  let server: DebianPostgres;
  beforeAll(async () => {
    server = await startDebianPostgres();
  });
  afterAll(async () => {
    await server.stop();
  });

  /** A database in which the role may use one schema that it owns, and nothing else. */
  async function narrowDatabase(name: string, options = ''): Promise<TestDatabase> {
    await server.admin(
      'postgres',
      `CREATE ROLE ${name} LOGIN PASSWORD 'right'`,
      `CREATE DATABASE ${name} ${options}`,
      `REVOKE ALL ON DATABASE ${name} FROM PUBLIC`,
      `GRANT CONNECT ON DATABASE ${name} TO ${name}`,
    );
    await server.admin(
      name,
      'REVOKE ALL ON SCHEMA public FROM PUBLIC',
      `CREATE SCHEMA ${name} AUTHORIZATION ${name}`,
      'CREATE SCHEMA extensions',
      'CREATE EXTENSION btree_gist SCHEMA extensions',
    );
    return { url: urlOf(name), name, drop: () => Promise.resolve() };
  }

  function urlOf(name: string, parameters: Readonly<Record<string, string>> = {}): string {
    const url = new URL(server.url);
    [url.username, url.password, url.pathname] = [name, 'right', name];
    url.search = new URLSearchParams(parameters).toString();
    return url.href;
  }

  /** What the first step of a start says. It connects, looks at the database, and makes the tables. */
  async function outcome(url: string): Promise<string> {
    const config = { databaseUrl: url, databasePoolSize: 4, databaseTimeoutMs: 5000 };
    const target = { url, setting: 'DATABASE_URL', logger: createLogger('silent') };
    const migrating = namingTheDatabase('DATABASE_URL', () =>
      migrate(dataSourceOptions(config), target),
    );
    return migrating.then(
      () => 'it starts',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  }

  describe('as a role that owns one schema and nothing else', () => {
    const clock = new FakeClock(new Date('2026-06-15T12:00:00Z'));
    let database: TestDatabase;
    let issuer: TestIssuer;
    let key: string;
    const instanceId = randomUUID();
    beforeAll(async () => {
      database = await narrowDatabase('narrow');
      issuer = await startTestIssuer({ database, clock });
    });
    afterAll(async () => {
      await issuer.stop();
    });

    async function verified(token: string): Promise<string | undefined> {
      const response = await fetch(`${issuer.url}/oauth/discovery/keys`);
      const keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
      const { payload } = await jwtVerify(token, keys, { currentDate: clock.now() });
      return payload.sub;
    }

    it('registers a license, syncs, verifies, and goes on after a rotation', async () => {
      const { licenseKey } = await registerPaidLicense(issuer);
      key = licenseKey;
      const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId });
      const before = await instance.serviceToken();
      await expect(verified(before.token)).resolves.toBe(instanceId);
      clock.advance(LEAD_MS);
      expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(200);
      await expect(verified((await instance.serviceToken()).token)).resolves.toBe(instanceId);
      await expect(verified(before.token)).resolves.toBe(instanceId);
    });

    it('takes a seat link', async () => {
      const body = {
        ...{ license_key: key, hostname: 'gitlab.example.com', timestamp: clock.now() },
        ...{ gitlab_version: '18.5.0', instance_id: instanceId, active_users: 5 },
      };
      const response = await fetch(`${issuer.url}/api/v1/seat_links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect([response.status, await response.json()]).toMatchObject([200, { license: key }]);
    });

    it('verifies its ledger, and drops old days without temporary tables', async () => {
      await issuer.running.app.get(LedgerCheckpoints).write();
      const verdict = await verifyOn({ issuer, clock });
      expect([...verdict.out, verdict.status]).toEqual([expect.stringMatching(/nothing found/), 0]);
      await server.admin(
        'narrow',
        `SELECT narrow.create_issued_tokens_partition('2020-01-01')`,
        'ALTER TABLE narrow.issued_tokens_20200101 OWNER TO narrow',
      );
      const dropped = await issuer.running.app.get(LedgerRetention).dropOldDays();
      expect(dropped).toEqual(['2020-01-01']);
    });

    it('pins the search_path of every function to its schema', async () => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      const { rows } = await client.query<object>(
        `SELECT proname FROM pg_proc WHERE pronamespace = 'narrow'::regnamespace
         AND NOT coalesce(proconfig, '{}') @> '{"search_path=narrow, pg_temp"}'`,
      );
      expect(rows).toEqual([]);
      await client.query(`SET search_path = ''`);
      await client.query('UPDATE narrow.licenses SET seats = 7, version = version + 1');
      await client.end();
    });

    it('leaves the functions of others in its schema alone', async () => {
      await server.admin(
        'narrow',
        `CREATE FUNCTION narrow.of_a_pooler() RETURNS integer LANGUAGE plpgsql
         AS 'BEGIN RETURN 1; END'`,
      );
      expect(await outcome(database.url)).toBe('it starts');
      await server.admin('narrow', 'DROP FUNCTION narrow.of_a_pooler()');
    });

    it('goes on from a dump of the data alone, restored by the owner of the schema', async () => {
      const run = (name: string, ...args: string[]) =>
        execFileSync(programPath(name) ?? name, args, { stdio: 'pipe' }).toString();
      const [schema, data] = ['schema', 'data'].map((part) => join(issuer.dataDir, part));
      if (!schema || !data) throw new Error('no names for the dumps');
      run('pg_dump', '-Fc', '-n', 'narrow', '--schema-only', '-f', schema, '-d', database.url);
      run('pg_dump', '-Fc', '-n', 'narrow', '--data-only', '-f', data, '-d', database.url);
      await server.admin('postgres', 'CREATE DATABASE copy OWNER narrow');
      await server.admin('copy', 'CREATE EXTENSION btree_gist');
      const url = database.url.replace(/narrow$/, 'copy');
      run('pg_restore', '-d', url, schema);
      const owner = new Client({ connectionString: url });
      await owner.connect();
      await owner.query(ownTriggers('DISABLE'));
      run('pg_restore', '-d', url, data);
      await owner.query(ownTriggers('ENABLE'));
      await owner.end();

      const restored = await startTestIssuer({
        sharing: issuer,
        clock,
        environment: { DATABASE_URL: url },
      });
      const instance = new GitlabInstance(restored.url, { licenseKey: key, instanceId });
      await expect(verified((await instance.serviceToken()).token)).resolves.toBe(instanceId);
      await restored.stop();
    });
  });

  describe('a start says what an administrator has to run or to correct, where', () => {
    const OTHER_ROLE = `ALTER ROLE $ SET session_replication_role = replica`;
    it.each([
      [
        'the extension is missing',
        '',
        ['DROP EXTENSION btree_gist'],
        'CREATE EXTENSION btree_gist',
      ],
      [
        'the role may not make tables',
        '',
        ['ALTER SCHEMA $ OWNER TO postgres', 'GRANT USAGE ON SCHEMA $ TO $'],
        'GRANT USAGE, CREATE ON SCHEMA $ TO $',
      ],
      ['no schema is left', '', ['DROP SCHEMA $'], 'CREATE SCHEMA $ AUTHORIZATION $'],
      [
        'the search_path leads away from the tables',
        '',
        [
          'CREATE TABLE $.signing_keys (); ALTER TABLE $.signing_keys OWNER TO $',
          'CREATE TABLE $.migrations ()',
          'CREATE SCHEMA new AUTHORIZATION $',
          'ALTER ROLE $ SET search_path = new',
        ],
        'Run: ALTER ROLE $ IN DATABASE $ SET search_path = $',
      ],
      ['no trigger would run', '', [OTHER_ROLE], 'RESET session_replication_role'],
      [
        'the encoding holds only some letters',
        "ENCODING 'LATIN1' TEMPLATE template0",
        [],
        "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
      ],
    ])('%s', async (_what, options, sql, told) => {
      const name = `refused_${randomUUID().slice(0, 8)}`;
      const named = (text: string) => text.replaceAll('$', name);
      await narrowDatabase(name, options);
      await server.admin(name, ...sql.map(named));
      const text = await outcome(urlOf(name));
      expect(text).toMatch(/^(DATABASE_URL|session_replication_role)/);
      expect(text).toContain(named(told));
    });
  });

  describe('over TLS', () => {
    const file = (name: string) => join(server.folder, name);
    beforeAll(async () => {
      await narrowDatabase('by_certificate');
    });

    const own = () => ({ sslcert: file('client.pem'), sslkey: file('client.key') });
    it.each([
      ['knows its authority', () => ({ sslrootcert: file('ca.pem'), ...own() }), 'it starts'],
      [
        'does not know its authority',
        () => ({ sslmode: 'verify-full', ...own() }),
        'name the certificate that signed it as sslrootcert',
      ],
      [
        'knows another authority',
        () => ({ sslrootcert: file('other.pem'), ...own() }),
        'name the certificate that signed it as sslrootcert',
      ],
      [
        'has no certificate of its own',
        () => ({ sslrootcert: file('ca.pem') }),
        'sslcert and sslkey',
      ],
    ])('%s', async (_what, parameters, told) => {
      expect(await outcome(urlOf('by_certificate', parameters()))).toContain(told);
    });

    it('has a certificate that is for another user, or from another authority', async () => {
      const root = { sslrootcert: file('ca.pem') };
      const others = { ...root, sslcert: file('server.pem'), sslkey: file('server.key') };
      expect(await outcome(urlOf('by_certificate', others))).toContain('is for another user');
      const strange = { ...root, sslcert: file('other.pem'), sslkey: file('other.key') };
      expect(await outcome(urlOf('by_certificate', strange))).toContain('who signed sslcert?');
    });

    it('reaches the server under a name that its certificate lacks', async () => {
      const url = urlOf('by_certificate', { sslrootcert: file('ca.pem'), ...own() });
      const told = await outcome(url.replace('127.0.0.1', 'localhost'));
      expect(told).toContain('the certificate of the database is for another host name');
    });
  });
});

/** As in docs/operate/backup.md. */
function ownTriggers(verb: 'DISABLE' | 'ENABLE'): string {
  return `DO $$
    DECLARE name regclass;
    BEGIN
      FOR name IN SELECT oid FROM pg_class
                  WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
      LOOP EXECUTE format('ALTER TABLE %s ${verb} TRIGGER USER', name); END LOOP;
    END $$`;
}
