import { setTimeout as sleep } from 'node:timers/promises';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { Client } from 'pg';
import { listen, LISTENER_NAME } from '../../src/database/listen.js';
import { createLogger } from '../../src/platform/logging.js';
import { Notifications } from '../../src/database/notifications.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { DatabaseLink } from './database-link.js';

async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await done())) await sleep(20);
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** The listening backends of this database. */
async function listeners(client: Client): Promise<number[]> {
  const { rows } = await client.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = $1`,
    [LISTENER_NAME],
  );
  return rows.map(({ pid }) => pid);
}

describe('two replicas that do not poll', () => {
  let replicas: TestIssuer[];
  let client: Client;

  beforeAll(async () => {
    const first = await startTestIssuer();
    const second = await startTestIssuer({ sharing: first });
    replicas = [first, second];
    client = await connect(first.database.url);
    for (const { running } of replicas) {
      expect(running.app.get(Scheduler).stop()).toBeGreaterThan(0);
    }
    for (const replica of replicas) await until(() => listens(replica));
  });
  afterAll(async () => {
    await client.end();
    for (const replica of replicas.toReversed()) await replica.stop();
  });

  /** Changes the row of the next key, which a replica sees only when it reads the keys again. */
  async function change(hours: number): Promise<string> {
    await client.query('SET session_replication_role = replica');
    const { rows } = await client.query<{ published_at: Date }>(
      `UPDATE signing_keys SET published_at = published_at - make_interval(hours => $1)
       WHERE phase = 'next' RETURNING published_at`,
      [hours],
    );
    return rows[0]?.published_at.toISOString() ?? '';
  }

  /** Looks at the memory of a replica, because the admin API would read the database. */
  function everyReplicaKnows(instant: string): boolean {
    return replicas.every(({ running }) =>
      running.app
        .get(SigningKeys)
        .timeline()
        .some(({ publishedAt }) => publishedAt.toISOString() === instant),
    );
  }

  it('both read the keys again after a notification', async () => {
    const instant = await change(1);
    expect(everyReplicaKnows(instant)).toBe(false);
    await client.query('NOTIFY signing_keys');
    await until(() => everyReplicaKnows(instant));
  });

  it('both read the keys again after they lost their connection, and with it perhaps a notification', async () => {
    const pids = await listeners(client);
    const instant = await change(2);
    await client.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
    await until(() => everyReplicaKnows(instant));
    const later = await listeners(client);
    expect(later).toHaveLength(2);
    expect(later.filter((pid) => pids.includes(pid))).toEqual([]);
  });

  it('listen through the new connection', async () => {
    const instant = await change(3);
    await client.query('NOTIFY signing_keys');
    await until(() => everyReplicaKnows(instant));
  });

  it('close their connections when they stop, and have logged no error', async () => {
    const third = await startTestIssuer({ sharing: replicas[0] as TestIssuer });
    await until(async () => (await listeners(client)).length === 3);
    await third.stop();
    await until(async () => (await listeners(client)).length === 2);
    for (const { logs } of [...replicas, third]) {
      expect(logs.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
    }
  });
});

async function listens(replica: TestIssuer): Promise<boolean> {
  const authorization = `Bearer ${replica.adminToken}`;
  const response = await fetch(`${replica.url}/-/metrics`, { headers: { authorization } });
  return /^issuer_notifications_up 1$/m.test(await response.text());
}

describe('the listener for notifications', () => {
  let database: TestDatabase;
  let link: DatabaseLink;
  let client: Client;
  let logs: string[];
  let notifications: Notifications;

  beforeEach(async () => {
    database = await createTestDatabase();
    client = await connect(database.url);
    link = await new DatabaseLink(database.url).open();
    logs = [];
    const logger = createLogger('debug', { write: (line) => logs.push(line) });
    notifications = new Notifications(logger);
  });
  afterEach(async () => {
    await notifications.beforeApplicationShutdown();
    link.close();
    await client.end();
    await database.drop();
  });

  it('calls each callback once on every connect, and those of a channel on a notification', async () => {
    const calls: string[] = [];
    notifications.on('one', () => void calls.push('one'));
    notifications.on('one', () => void calls.push('one, too'));
    notifications.on('An "odd" one', () => void calls.push('odd'));
    notifications.start(link.url);
    notifications.start(link.url);
    await until(() => calls.length === 3);
    expect(calls).toEqual(['one', 'one, too', 'odd']);
    await client.query(`NOTIFY another; NOTIFY "An ""odd"" one"`);
    await until(() => calls.length === 4);
    expect(calls.at(-1)).toBe('odd');
    expect(await listeners(client)).toHaveLength(1);
  });

  it('calls no callback a second time before the first call has ended, and then once', async () => {
    const ends: (() => void)[] = [];
    notifications.on('slow', () => new Promise((resolve) => ends.push(resolve)));
    let heard = 0;
    notifications.on('slow', () => void (heard += 1));
    notifications.start(link.url);
    await until(() => ends.length === 1 && heard === 1);
    for (const count of [2, 3, 4]) {
      await client.query('NOTIFY slow');
      await until(() => heard === count);
    }
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await until(() => ends.length === 2);
    ends[1]?.();
    await client.query('NOTIFY slow');
    await until(() => ends.length === 3);
    expect(heard).toBe(5);
  });

  it('says once that a callback failed, and calls it again', async () => {
    let calls = 0;
    notifications.on('broken', () => {
      calls += 1;
      return Promise.reject(new Error('nothing works'));
    });
    notifications.start(link.url);
    await until(() => calls === 1);
    await client.query('NOTIFY broken');
    await until(() => calls === 2);
    const failures = logs.filter((line) => line.includes('nothing works'));
    expect(failures).toHaveLength(2);
    expect(failures[0]).toMatch(/"level":"error".*"channel":"broken"/);
  });

  it('refuses a callback that it would never call', () => {
    notifications.on('early', () => undefined);
    notifications.start(link.url);
    expect(() => {
      notifications.on('late', () => undefined);
    }).toThrow('late is registered after the start');
  });

  it('comes back after the database was away, and says nothing about that', async () => {
    let calls = 0;
    notifications.on('one', () => void (calls += 1));
    notifications.start(link.url);
    await until(() => calls === 1);
    expect(notifications.isUp).toBe(true);
    link.close();
    await until(() => !notifications.isUp);
    await until(() => logs.filter((line) => line.includes('ECONNREFUSED')).length > 0);
    await link.open();
    await until(() => calls === 2);
    expect(notifications.isUp).toBe(true);
    expect(logs.filter((line) => !line.includes('"level":"debug"'))).toEqual([]);
  });

  it.each(['refuses', 'is silent'])(
    'can stop while it connects to a database that %s',
    async (how) => {
      if (how === 'refuses') link.close();
      else link.silence();
      notifications.on('one', () => undefined);
      notifications.start(link.url);
      await sleep(100);
      await notifications.beforeApplicationShutdown();
      expect(notifications.isUp).toBe(false);
      notifications.start(link.url);
      expect(await listeners(client)).toEqual([]);
    },
  );

  it('notices a connection that died without being closed', async () => {
    const listening = listen({
      url: link.url,
      channels: ['one'],
      onListening: () => {
        link.silence();
      },
      onNotification: () => undefined,
      probeEveryMs: 20,
      answersWithinMs: 200,
      signal: new AbortController().signal,
      logger: createLogger('error'),
    });
    await expect(listening).rejects.toThrow('Query read timeout');
    link.speak();
  });
});
