import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Database } from '../../src/database/database.js';
import { allJobs } from '../../src/scheduler/jobs.js';
import { JobRunner } from '../../src/scheduler/job-runner.js';
import { activate } from '../support/activation.js';
import {
  licenseBody,
  makeActivationCode,
  recordPurchase,
  registerPaidLicense,
} from '../support/builders.js';
import { AuxiliaryKeys } from '../../src/auxiliary-keys/auxiliary-keys.service.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { DatabaseLink } from './database-link.js';

// They depend on when connections are opened and closed.
jest.retryTimes(1);

const DISK_FULL = `
  CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'could not extend file "base/1": No space left on device' USING ERRCODE = '53100';
  END $$;
  CREATE TRIGGER disk_is_full BEFORE INSERT ON issued_tokens EXECUTE FUNCTION disk_is_full()`;

/**
 * Writes fail with the SQLSTATE of `raised`, as many `times` as it says. A sequence counts them, because
 * it is not rolled back. `quit` ends the connection in the middle of the transaction.
 */
const RAISING = `
  CREATE TABLE raised (sqlstate text, times bigint);
  CREATE SEQUENCE raised_times;
  GRANT ALL ON raised TO PUBLIC;
  GRANT ALL ON SEQUENCE raised_times TO PUBLIC;
  CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE wanted raised;
  BEGIN
    SELECT * INTO wanted FROM raised;
    IF FOUND AND nextval('raised_times') <= wanted.times THEN
      IF wanted.sqlstate = 'quit' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
      RAISE EXCEPTION 'raised with postgres://user:password@host/' USING ERRCODE = wanted.sqlstate;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER a_raises BEFORE INSERT ON issued_tokens EXECUTE FUNCTION raise();
  CREATE TRIGGER a_raises BEFORE INSERT OR UPDATE ON instances EXECUTE FUNCTION raise();
  CREATE TRIGGER a_raises BEFORE INSERT ON licenses EXECUTE FUNCTION raise()`;

/** A login for the service. A superuser would not be subject to limits. */
const role = `r_${randomBytes(6).toString('hex')}`;
let database: TestDatabase;
let operator: Client;
let link: DatabaseLink;
let issuer: TestIssuer;
let instance: GitlabInstance;
let paid: Awaited<ReturnType<typeof registerPaidLicense>>;
let activationCode: string;
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
  paid = await registerPaidLicense(issuer);
  instance = new GitlabInstance(issuer.url, {
    licenseKey: paid.licenseKey,
    instanceId: randomUUID(),
  });
  activationCode = (await makeActivationCode(issuer, paid.id, { max_uses: 1000 })).code;
  await operator.query(RAISING);
  await instance.serviceToken();
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
  // The pools notice it.
  await sleep(100);
}

/** The states in which tokens are issued. */
const ISSUES = ['up', 'slow', 'pool_full'];

/** The state in readiness and metrics, which must agree. The status of readiness is always 200. */
async function state(): Promise<unknown> {
  const ready = await fetch(`${issuer.url}/-/readiness`);
  const { checks } = (await ready.json()) as { readonly checks: { readonly database: string } };
  const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
  const [, metric] = /^issuer_database_state\{state="(\w+)"\} 1$/m.exec(metrics) ?? [];
  const [, up] = /^issuer_database_up (\d)$/m.exec(metrics) ?? [];
  const agrees = metric === checks.database && (up === '1') === ISSUES.includes(metric);
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
    {
      ...{ state: 'refused', change: `PASSWORD 'other'`, undo: `PASSWORD 'right'` },
      ...{ says: 'The database refuses this service', logs: 'correct what the reason says' },
    },
    {
      ...{
        state: 'too_many_connections',
        change: 'CONNECTION LIMIT 0',
        undo: 'CONNECTION LIMIT -1',
      },
      ...{ says: 'The database has too many connections', logs: 'raise its limit' },
    },
  ])(
    'is $state, not away, after $change',
    async ({ state: expected, change, undo, says, logs }) => {
      await changeAndHangUp(`ALTER ROLE ${role} ${change}`);
      mend = () => operator.query(`ALTER ROLE ${role} ${undo}`);
      await untilState(expected);
      expect(await failedSync()).toEqual([503, 'UNAVAILABLE', expect.stringContaining(says)]);
      expect((await issuer.admin('GET', 'licenses')).status).toBe(503);
      expect(told(logs)).toBe(1);
    },
  );

  it('is pool_full while statements that wait for a lock have all connections', async () => {
    await operator.query('BEGIN; LOCK TABLE licenses');
    mend = async () => {
      await operator.query('ROLLBACK');
      // Otherwise the state would stay for another ten seconds.
      issuer.running.app.get(Database).outcomes.forgetBefore(performance.now());
    };
    // Two more than the admin side has connections.
    const asked = Array.from({ length: 5 }, () => issuer.admin('GET', `licenses/${paid.id}`));
    const answers = await Promise.all(asked.map(async (answer) => (await answer).text()));
    expect(answers.filter((text) => text.includes('All connections of this service'))).toHaveLength(
      5,
    );
    expect(await state()).toBe('pool_full');
    expect(told('or raise DATABASE_POOL_SIZE')).toBe(1);
    expect(told('all 3 connections of a pool are in use')).toBeGreaterThan(0);
  });

  it('takes one connection more, not one for each probe, while the pool of the syncs is full', async () => {
    await operator.query('BEGIN; LOCK TABLE licenses');
    const seatLink = { license_key: paid.licenseKey, timestamp: new Date() };
    const asked = Array.from({ length: 12 }, () =>
      fetch(`${issuer.url}/api/v1/seat_links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(seatLink),
      }),
    );
    mend = async () => {
      await operator.query('ROLLBACK');
      await Promise.all(asked);
      issuer.running.app.get(Database).outcomes.forgetBefore(performance.now());
    };
    await untilState('pool_full');
    const before = link.opened;
    const probes = Array.from({ length: 40 }, async () =>
      (await fetch(`${issuer.url}/-/readiness`)).json(),
    );
    for (const probe of await Promise.all(probes)) {
      expect(probe).toMatchObject({ checks: { database: 'pool_full' } });
    }
    // Far fewer than the probes. The service may replace a connection meanwhile.
    expect(link.opened - before).toBeLessThanOrEqual(10);
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

interface Answered {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

async function answered(response: Promise<Response>): Promise<Answered> {
  const { status, headers } = await response;
  return { status, retryAfter: headers.get('retry-after'), text: await (await response).text() };
}

/** One write of each kind of caller. */
const WRITES: Readonly<Record<string, () => Promise<Answered>>> = {
  sync: () => instance.sync(['serviceToken']),
  activation: async () => ({
    ...(await activate(issuer, activationCode, randomUUID())),
    retryAfter: '2',
  }),
  'seat link': () =>
    answered(
      fetch(`${issuer.url}/api/v1/seat_links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          ...{ license_key: paid.licenseKey, instance_id: randomUUID() },
          ...{ billable_users_count: 3, max_historical_user_count: 3, add_on_metrics: [] },
        }),
      }),
    ),
  admin: () => answered(issuer.admin('POST', 'licenses', licenseBody())),
};

/** The form in which each caller is asked to try again, with a text that says why. */
const TRY_AGAIN: Readonly<Record<string, (why: string) => object>> = {
  sync: (why) => ({ errors: [{ message: why, extensions: { code: 'UNAVAILABLE' } }] }),
  activation: (why) => ({ errors: [{ message: why, extensions: { code: 'UNAVAILABLE' } }] }),
  'seat link': (why) => ({ errors: [why], error_attribute_map: {} }),
  admin: (why) => ({
    ...{ type: '/docs/errors#unavailable', title: 'Service Unavailable', status: 503 },
    ...{ detail: why, code: 'UNAVAILABLE' },
  }),
};

async function raise(sqlstate: string, times: number): Promise<void> {
  mend = () => operator.query('TRUNCATE raised');
  await operator.query(`ALTER SEQUENCE raised_times RESTART`);
  await operator.query(`TRUNCATE raised`);
  await operator.query(`INSERT INTO raised VALUES ($1, $2)`, [sqlstate, times]);
}

const FAILING =
  'The database failed inside: try again shortly. An operator has to look at its log.';
const CONTENDED = 'Other work on the database was in the way: try again shortly.';
const REFUSED =
  'The database refuses this service: try again shortly. An operator has to correct this.';

describe('a failure that lies with the database', () => {
  it.each([
    ['08006', 'The database is away: try again shortly.'],
    ['25006', 'The database is read-only at the moment: try again shortly.'],
    ['28000', REFUSED],
    ['3F000', REFUSED],
    ['42501', REFUSED],
    ['40001', CONTENDED],
    ['40P01', CONTENDED],
    [
      '53100',
      'The disk of the database is full: try again shortly. An operator has to free space.',
    ],
    ['53200', FAILING],
    ['53300', 'The database has too many connections, and none is left: try again shortly.'],
    ['54000', FAILING],
    ['55P03', CONTENDED],
    ['57014', 'The database did not answer in time: try again shortly.'],
    ['57P01', 'The database is away: try again shortly.'],
    ['58030', FAILING],
    ['XX000', FAILING],
    ['XX001', FAILING],
  ])('is 503 with Retry-After for every caller, never INTERNAL: %s', async (sqlstate, why) => {
    await raise(sqlstate, 1000);
    for (const [caller, write] of Object.entries(WRITES)) {
      const { status, retryAfter, text } = await write();
      const answer: unknown = JSON.parse(text);
      const expected = { status: 503, retryAfter: '2', answer: TRY_AGAIN[caller]?.(why) };
      expect([caller, { status, retryAfter, answer }]).toEqual([caller, expected]);
    }
    await mend();
    for (const [caller, write] of Object.entries(WRITES)) {
      expect([caller, (await write()).text]).toEqual([
        caller,
        expect.not.stringContaining('UNAVAILABLE'),
      ]);
    }
  });

  it('is INTERNAL only where the statement itself is wrong', async () => {
    await raise('22012', 1000);
    expect(await WRITES['admin']?.()).toMatchObject({ status: 500 });
  });
});

const TABLES = ['issued_tokens', 'instances', 'licenses', 'activations'];

async function rowCounts(): Promise<number[]> {
  const counts = TABLES.map((table) => `(SELECT count(*)::int FROM ${table})`);
  const { rows } = await operator.query<{ counts: number[] }>(
    `SELECT ARRAY[${counts.join(', ')}] AS counts`,
  );
  return rows[0]?.counts ?? [];
}

describe('what others undid', () => {
  it.each([
    ['40001', 'sync'],
    ['40P01', 'sync'],
    ['25006', 'sync'],
    ['40001', 'activation'],
    ['40P01', 'seat link'],
    ['40001', 'admin'],
    ['40P01', 'admin'],
    ['25006', 'admin'],
    ['quit', 'admin'],
    ['quit', 'seat link'],
    ['quit', 'activation'],
  ])('is done once more, and only once: %s for one write of %s', async (sqlstate, caller) => {
    const before = await rowCounts();
    await raise(sqlstate, 1);
    const { status, text } = (await WRITES[caller]?.()) ?? { status: 0, text: '' };
    expect([status, text]).toEqual([expect.any(Number), expect.not.stringContaining('errors":["')]);
    expect(status).toBe(caller === 'admin' ? 201 : 200);
    const added = await rowCounts();
    const made = { sync: [1, 0, 0, 0], 'seat link': [0, 1, 0, 0], admin: [0, 0, 1, 0] };
    expect(added.map((rows, table) => rows - (before[table] ?? 0))).toEqual(
      Object.entries(made).find(([name]) => name === caller)?.[1] ?? [0, 1, 0, 1],
    );
  });
});

describe('after a failover', () => {
  const setting = () => `ALTER DATABASE ${database.name} SET default_transaction_read_only`;

  /**
   * Both pools are full of connections to the demoted server, which answers questions; new ones are fine.
   * @returns the instant of the database
   */
  async function failOver(): Promise<string | undefined> {
    await changeAndHangUp(`${setting()} = on`);
    mend = () => operator.query(`${setting()} = off`);
    const reads = Array.from({ length: 12 }, () => issuer.admin('GET', `licenses/${paid.id}`));
    const syncs = Array.from({ length: 12 }, () => instance.sync(['serviceToken']));
    await Promise.all(reads);
    expect((await Promise.all(syncs)).map(({ status }) => status)).toContain(503);
    // Only a connection that is not new may lead to a server that was demoted since.
    await sleep(250);
    await mend();
    const { rows } = await operator.query<{ at: string }>('SELECT clock_timestamp()::text AS at');
    return rows[0]?.at;
  }

  it.each(Object.keys(WRITES))('the first %s succeeds, and nothing is lost', async (caller) => {
    await failOver();
    expect((await WRITES[caller]?.())?.text).not.toContain('UNAVAILABLE');
    await untilState('up');
  });

  it('nobody reads what the demoted server still says', async () => {
    const at = await failOver();
    // Connections that were used a moment ago are not asked first.
    await sleep(600);
    const reads = Array.from({ length: 6 }, () => issuer.admin('GET', `licenses/${paid.id}`));
    expect((await Promise.all(reads)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    const usedOnes = async () => {
      const { rows } = await operator.query<{ old: number }>(
        `SELECT count(*)::int AS old FROM pg_stat_activity
         WHERE usename = $1 AND backend_start < $2 AND state_change > $2`,
        [role, at],
      );
      return rows[0]?.old;
    };
    // They are closed, and not kept for later.
    for (let tries = 0; tries < 20 && (await usedOnes()) !== 0; tries += 1) await sleep(100);
    expect(await usedOnes()).toBe(0);
  });

  it('no job fails before it, and every job works at once after it', async () => {
    const { app } = issuer.running;
    const jobs = allJobs((type) => app.get(type));
    const failed = async () => {
      const errors: unknown[] = [];
      for (const { name, run } of jobs)
        await run().catch((error: unknown) => errors.push([name, error]));
      return errors;
    };
    await changeAndHangUp(`${setting()} = on`);
    mend = () => operator.query(`${setting()} = off`);
    for (const { name, run } of jobs) await app.get(JobRunner).run({ name, run });
    expect(told('a scheduled job failed')).toBe(0);
    await sleep(250);
    await mend();
    expect(await failed()).toEqual([]);
  });

  it('the service listens for notifications again', async () => {
    await failOver();
    const notified = async () =>
      /^issuer_notifications_up 1$/m.test(await (await fetch(`${issuer.url}/-/metrics`)).text());
    while (!(await notified())) await sleep(100);
  });
});

describe('a prepared statement that is older than the schema', () => {
  it('is prepared again, and no sync fails', async () => {
    const column = 'ALTER TABLE licenses ALTER COLUMN plan TYPE';
    for (let n = 0; n < 4; n += 1) await instance.serviceToken();
    await operator.query(`${column} varchar(100)`);
    mend = () => operator.query(`${column} text`);
    for (let n = 0; n < 4; n += 1) await instance.serviceToken();
    await mend();
    const syncs = Array.from({ length: 4 }, () => instance.sync(['serviceToken']));
    expect((await Promise.all(syncs)).map(({ status, code }) => [status, code])).toEqual(
      Array(4).fill([200, null]),
    );
  });
});

/** What the service sets back on each of its connections. Without that, answers would change or fail. */
const SET_BACK: readonly (readonly [name: string, value: string])[] = [
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_isolation', 'repeatable read'],
  ['statement_timeout', '200ms'],
  ['lock_timeout', '200ms'],
  ['transaction_timeout', '200ms'],
  ['idle_in_transaction_session_timeout', '200ms'],
  ['idle_session_timeout', '200ms'],
  ['search_path', 'nowhere'],
  ['TimeZone', 'Asia/Kathmandu'],
  ['DateStyle', 'SQL, DMY'],
  ['DateStyle', 'German'],
  ['DateStyle', 'Postgres, MDY'],
  ['IntervalStyle', 'sql_standard'],
  ['bytea_output', 'escape'],
  ['extra_float_digits', '-15'],
  ['standard_conforming_strings', 'off'],
  ['array_nulls', 'off'],
  ['quote_all_identifiers', 'on'],
  ['exit_on_error', 'on'],
  ['synchronous_commit', 'off'],
];
/** What the service leaves alone, because it changes no answer. */
const LEFT_ALONE: Readonly<Record<string, string>> = {
  default_transaction_deferrable: 'on',
  timezone_abbreviations: 'Australia',
  client_encoding: 'LATIN1',
  escape_string_warning: 'on',
  backslash_quote: 'off',
  transform_null_equals: 'on',
  xmlbinary: 'hex',
  row_security: 'off',
  check_function_bodies: 'off',
  client_min_messages: 'error',
  lc_messages: 'C',
  lc_time: 'C',
  'plpgsql.variable_conflict': 'use_variable',
  plan_cache_mode: 'force_generic_plan',
  enable_partition_pruning: 'off',
  enable_seqscan: 'off',
  jit_above_cost: '0',
  work_mem: '64kB',
};
const LIMIT = /_timeout$/;
const CHANGES = new Set([
  'at',
  'fetched_by',
  'tokens_expire_by',
  'iat',
  'nbf',
  'exp',
  'jti',
  'id',
  'created_at',
  'updated_at',
  'license_key',
]);

describe('what is set for the role of the service', () => {
  let licenseId: string;
  let firstJti: string;
  let seats: string;
  let before: unknown;
  beforeAll(async () => {
    mend = () => Promise.resolve();
    await mend();
    const page = (await (await issuer.admin('GET', 'licenses')).json()) as {
      readonly items: readonly { readonly id: string }[];
    };
    licenseId = page.items[0]?.id ?? '';
    firstJti = String(claimsOf((await instance.serviceToken()).token)['jti']);
    const { id } = await recordPurchase(issuer, licenseId, { add_on: 'duo_pro', quantity: 1000 });
    seats = `add_on_purchases/${id}/seat_assignments`;
    before = await answers();
  });

  /** The answers of every side, without what differs each time. */
  async function answers(): Promise<unknown> {
    const token = claimsOf((await instance.serviceToken()).token);
    const written = await issuer.admin('POST', 'licenses', {
      ...licenseBody({ licensee: { name: 'Zo\u00eb \\ \u540d', company: "O'Neil" } }),
    });
    const read = await Promise.all(
      [
        ...[`licenses/${licenseId}`, `licenses/${licenseId}/entitlements`, 'signing_keys'],
        ...[`service_tokens/${firstJti}`, 'service_tokens?per_page=1&revoked=true'],
      ].map(async (path) => {
        const answer = await issuer.admin('GET', path);
        return [path, answer.status, await answer.json()];
      }),
    );
    await issuer.running.app.get(SigningKeys).refresh();
    const keys = await fetch(`${issuer.url}/oauth/discovery/keys`);
    const unchanged = [token, written.status, await written.json(), read, await keys.json()];
    return JSON.parse(
      JSON.stringify(unchanged, (name, value: unknown) => (CHANGES.has(name) ? undefined : value)),
    );
  }

  const setting = (change: string) => `ALTER ROLE ${role} IN DATABASE ${database.name} ${change};`;

  it.each(SET_BACK)('changes no answer: %s = %s', async (name, value) => {
    await changeAndHangUp(setting(`SET ${name} = '${value}'`));
    mend = () => changeAndHangUp(setting('RESET ALL'));
    await untilState('up');
    const errors = told('"level":"error"');
    // A batch of the ledger waits for this lock, longer than any limit above.
    const held = LIMIT.test(name)
      ? operator.query(`SELECT pg_advisory_lock(hashtext('signing_keys.phase')), pg_sleep(0.5),
                               pg_advisory_unlock_all()`)
      : null;
    expect(await answers()).toEqual(before);
    await held;
    // All of them update the count of one purchase.
    const assigning = Array.from({ length: 10 }, () =>
      issuer.admin('POST', seats, { user_ids: [randomUUID()] }),
    );
    const together = [...assigning, ...Array.from({ length: 5 }, () => instance.sync())];
    for (const { status } of await Promise.all(together)) expect([200, 201]).toContain(status);
    expect(told('"level":"error"')).toBe(errors);
  });

  it('changes no answer where the service leaves it alone', async () => {
    const changes = Object.entries(LEFT_ALONE).map(([name, value]) =>
      setting(`SET ${name} = '${value}'`),
    );
    await changeAndHangUp(changes.join(' '));
    mend = () => changeAndHangUp(setting('RESET ALL'));
    await untilState('up');
    expect(await answers()).toEqual(before);
  });

  it('lets no token leave before its row in the ledger is durable', async () => {
    await changeAndHangUp(setting('SET synchronous_commit = off'));
    mend = () => changeAndHangUp(setting('RESET ALL'));
    await untilState('up');
    const { pool } = issuer.running.app.get(Database);
    const { rows } = await pool.query<object>('SHOW synchronous_commit');
    expect(rows).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('is refused when no trigger would run', async () => {
    await changeAndHangUp(`ALTER ROLE ${role} SET session_replication_role = replica`);
    mend = () => changeAndHangUp(`ALTER ROLE ${role} RESET session_replication_role`);
    await untilState('refused');
    expect((await failedSync()).slice(0, 2)).toEqual([503, 'UNAVAILABLE']);
  });
});

describe('a value that cannot be read', () => {
  const urls = ['/oauth/discovery/keys', '/oauth/discovery/auxiliary_keys', '/-/readiness'];
  const published = () =>
    Promise.all(
      urls.map(async (path) => {
        const answer = await fetch(issuer.url + path);
        return [path, answer.status, path === '/-/readiness' ? '' : await answer.text()];
      }),
    );

  it.each([
    ['signing_keys', 'tokens_expire_by', `'infinity'`],
    ['signing_keys', 'tokens_expire_by', `'290000-01-01'`],
    ['auxiliary_keys', 'published_at', `'-infinity'`],
  ])('replaces nothing in memory: %s.%s = %s', async (table, column, value) => {
    const before = await published();
    const unguarded = (sql: string) =>
      operator.query(
        `SET session_replication_role = replica; ${sql}; RESET session_replication_role`,
      );
    await operator.query(`CREATE TABLE kept AS SELECT * FROM ${table}`);
    mend = () =>
      unguarded(`UPDATE ${table} SET ${column} = kept.${column} FROM kept
                 WHERE kept.kid = ${table}.kid; DROP TABLE kept`);
    await unguarded(`UPDATE ${table} SET ${column} = ${value}`);
    const { app } = issuer.running;
    await expect(
      app
        .get(SigningKeys)
        .refresh()
        .then(() => app.get(AuxiliaryKeys).refresh()),
    ).rejects.toThrow('cannot be read');
    expect(await published()).toEqual(before);
    await instance.serviceToken();
  });
});

function claimsOf(token: string): Record<string, unknown> {
  const [, payload = ''] = token.split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}
