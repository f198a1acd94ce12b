import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { DatabaseLink } from '../faults/database-link.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

interface Batch {
  readonly chain_id: string;
  readonly number: number;
  readonly previous_hash: Buffer;
  readonly hash: Buffer;
  readonly tokens: number;
  readonly first_jti: string;
  readonly last_jti: string;
  readonly policy_digest: Buffer;
}

/** The line of a row in the hash of its batch, as the database writes it. */
const LINE = `concat('["', concat_ws('","', jti, license_id, instance_id, kid,
    encode(scope_set_digest, 'hex'), encode(catalog_digest, 'hex'), gitlab_version,
    to_char(issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    encode(claims_digest, 'hex')), '",', coalesce(status_index::text, 'null'), E',null]\\n') AS line`;

describe('the chain of the ledger', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00.250Z'));
  let database: TestDatabase;
  let link: DatabaseLink;
  let issuer: TestIssuer;
  let direct: Client;
  let clients: GitlabInstance[];

  beforeAll(async () => {
    database = await createTestDatabase();
    link = await new DatabaseLink(database.url).open();
    issuer = await startTestIssuer({
      clock,
      environment: { DATABASE_URL: link.url, DATABASE_TIMEOUT_MS: '2000' },
    });
    direct = new Client({ connectionString: database.url });
    await direct.connect();
    const { licenseKey } = await registerPaidLicense(issuer);
    clients = Array.from({ length: 5 }, (_, n) => {
      const instanceId = `8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5${n}`;
      return new GitlabInstance(issuer.url, { licenseKey, instanceId });
    });
    // So that each instance has its row.
    for (const client of clients) await client.serviceToken();
  });
  afterAll(async () => {
    await direct.end();
    await issuer.stop();
    link.close();
    await database.drop();
  });

  const sync = (n: number) => clients[n]?.serviceToken() ?? Promise.reject(new Error(`no ${n}`));
  const ask = async <Row extends object>(sql: string, values: unknown[] = []) =>
    (await direct.query<Row>(sql, values)).rows;
  const batches = () =>
    ask<Batch>('SELECT * FROM ledger_batches ORDER BY last_jti, chain_id, number');
  const last = async (count: number) => (await batches()).slice(-count);

  it('has every row in a batch, whose hash covers its rows and the batch before', async () => {
    await Promise.all(clients.map((_, n) => sync(n)));
    const all = await batches();
    let tokens = 0;
    for (const batch of all) {
      const rows = await ask<{ jti: string; line: string }>(
        `SELECT jti, ${LINE} FROM issued_tokens WHERE chain_id = $1 AND batch_number = $2 ORDER BY jti`,
        [batch.chain_id, batch.number],
      );
      const hash = createHash('sha256').update(batch.previous_hash).update(batch.policy_digest);
      for (const { line } of rows) hash.update(line);
      expect(hash.digest('hex')).toBe(batch.hash.toString('hex'));
      expect([rows.length, rows[0]?.jti, rows.at(-1)?.jti]).toEqual([
        batch.tokens,
        batch.first_jti,
        batch.last_jti,
      ]);
      tokens += rows.length;
    }
    expect(tokens).toBe(10);
  });

  it('begins with the digest of its id, and every batch has the hash of the batch before', async () => {
    const chain = await ask<Batch>('SELECT * FROM ledger_batches ORDER BY number');
    expect(new Set(chain.map(({ chain_id }) => chain_id)).size).toBe(1);
    expect(chain.map(({ number }) => number)).toEqual(chain.map((_, index) => index));
    const genesis = createHash('sha256').update(chain[0]?.chain_id ?? '');
    expect(chain.map(({ previous_hash }) => previous_hash.toString('hex'))).toEqual([
      genesis.digest('hex'),
      ...chain.slice(0, -1).map(({ hash }) => hash.toString('hex')),
    ]);
  });

  it('never puts the tokens of two days into one batch', async () => {
    clock.set('2026-03-10T23:59:59.999Z');
    const earlier = (await batches()).length;
    const syncs = await whileTheLedgerWaits(async () => {
      const first = sync(0);
      await flushWaits();
      // Both come while a flush is under way, and so would share the next one.
      const second = sync(1);
      await sleep(300);
      clock.set('2026-03-11T00:00:00.000Z');
      const third = sync(2);
      await sleep(300);
      return [first, second, third];
    });
    await Promise.all(syncs);
    // In the order of time, which is that of the jtis but within one millisecond.
    const made = await last((await batches()).length - earlier);
    expect(made.map(({ tokens }) => tokens)).toEqual([1, 1, 1]);
    const days = made.map(({ first_jti, last_jti }) => [dayOf(first_jti), dayOf(last_jti)]);
    expect(days).toEqual([
      ['2026-03-10', '2026-03-10'],
      ['2026-03-10', '2026-03-10'],
      ['2026-03-11', '2026-03-11'],
    ]);
  });

  it('ends after a flush that may or may not have been written, and a new chain begins', async () => {
    const [before] = await last(1);
    clock.advance(1000);
    const [failed] = await whileTheLedgerWaits(async () => {
      const answer = clients[0]?.sync();
      await flushWaits();
      link.silence();
      return [answer];
    });
    await expect(failed).resolves.toMatchObject({ status: 503, effect: 'asks again' });
    while ((await last(1))[0]?.hash.equals(before?.hash ?? Buffer.of())) await sleep(10);
    const [kept] = await last(1);
    expect(kept).toMatchObject({ chain_id: before?.chain_id, number: Number(before?.number) + 1 });

    link.speak();
    clock.advance(1000);
    // Connections that went silent are given up one after the other.
    while ((await clients[0]?.sync())?.effect !== 'stores the token') await sleep(10);
    const [next] = await last(1);
    expect(next).toMatchObject({ number: 0 });
    expect(next?.chain_id).not.toBe(before?.chain_id);
  });

  it.each([
    [`DELETE FROM issued_tokens`],
    [`TRUNCATE issued_tokens`],
    [`UPDATE issued_tokens SET claims_digest = sha256('')`],
    [`UPDATE issued_tokens SET batch_number = batch_number + 1`],
    [`UPDATE policy_snapshots SET document = '{}'`],
    [`DELETE FROM policy_snapshots`],
  ])('can be neither changed nor cut: %s', async (sql) => {
    await expect(direct.query(sql)).rejects.toMatchObject({ code: '23001' });
  });

  /** Holds up what writes a batch, for the while of `work`. */
  async function whileTheLedgerWaits<Result>(work: () => Promise<Result>): Promise<Result> {
    await direct.query('BEGIN');
    await direct.query('LOCK TABLE ledger_batches IN SHARE MODE');
    try {
      return await work();
    } finally {
      await direct.query('COMMIT');
    }
  }

  async function flushWaits(): Promise<void> {
    const waiting = `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    while ((await ask(waiting)).length === 0) await sleep(10);
  }
});

/** The day that a jti begins with. */
function dayOf(jti: string): string {
  const milliseconds = Number.parseInt(jti.replace('-', '').slice(0, 12), 16);
  return new Date(milliseconds).toISOString().slice(0, 10);
}
