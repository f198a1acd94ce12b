import { createHash } from 'node:crypto';
import {
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
} from 'jose';
import { Database } from '../../src/database/database.js';
import type { Finding } from '../../src/ledger-audit/finding.js';
import { JudgeToken } from '../../src/ledger-audit/judge-token.js';
import { LedgerAuditor } from '../../src/ledger-audit/ledger-auditor.js';
import type { LedgerCheckpointView } from '../../src/ledger/ledger-checkpoint.dto.js';
import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { LedgerRetention } from '../../src/ledger/ledger-retention.js';
import { LedgerFindings } from '../../src/ledger-audit/ledger-findings.js';
import { select } from '../contract/ledger.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { Intruder } from '../support/tampering.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY = 86_400_000;
/** Issued at noon of the first of March for three days, and kept for ten days more. */
const DUE = new Date('2026-03-14T12:00:00.000Z');

describe('the retention of the ledger', () => {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00Z'));
  let issuer: TestIssuer;
  let clients: GitlabInstance[];
  let oldToken: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { LEDGER_RETENTION_DAYS: '10' } });
    const { licenseKey } = await registerPaidLicense(issuer);
    clients = [0, 1].map((n) => {
      const instanceId = `8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5${n}`;
      return new GitlabInstance(issuer.url, { licenseKey, instanceId });
    });
    for (const client of clients) await client.serviceToken();
    oldToken = (await sync(0)).token;
    clock.advance(DAY);
    await sync(1);
  });
  afterAll(() => issuer.stop());

  const sync = (n: number) => clients[n]?.serviceToken() ?? Promise.reject(new Error('no client'));
  const dropOldDays = () => issuer.running.app.get(LedgerRetention).dropOldDays();
  const checkpoint = () => issuer.running.app.get(LedgerCheckpoints).write();
  const days = async () =>
    (await select<{ day: string }>(issuer, PARTITIONS)).map(({ day }) => day);
  const audit = async () => {
    const found: Finding[] = [];
    const auditor = issuer.running.app.get(LedgerAuditor);
    return { ...(await auditor.audit({}, (finding) => found.push(finding))), found };
  };

  /** Once an audit has read rows of the ledger, and before it asks for anything else. */
  const afterTheFirstPage = <Result>(work: () => Promise<Result>): Promise<Result> =>
    new Promise((resolve, reject) => {
      const { pool } = issuer.running.app.get(Database);
      const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
      Reflect.set(pool, 'query', async (...args: unknown[]) => {
        const rows = await query(...args);
        if (!String(args[0]).includes('FROM issued_tokens WHERE jti >=')) return rows;
        Reflect.deleteProperty(pool, 'query');
        await work().then(resolve, reject);
        return rows;
      });
    });

  it('keeps a day while a batch of it is under no checkpoint', async () => {
    clock.set(new Date(DUE.getTime() + 1));
    await expect(dropOldDays()).resolves.toEqual([]);
    await expect(checkpoint()).resolves.toBe(1);
  });

  it('keeps a day until its last token has been expired for so long, to the millisecond', async () => {
    clock.set(DUE);
    await expect(dropOldDays()).resolves.toEqual([]);
    expect(await days()).toContain('20260301');
  });

  it('lets syncs go first: a ledger that is in use is left for the next time', async () => {
    clock.set(new Date(DUE.getTime() + 1));
    await sync(1);
    const session = await Intruder.into(issuer);
    await session.query('BEGIN');
    await session.query('LOCK TABLE issued_tokens IN ACCESS SHARE MODE');
    await expect(dropOldDays()).resolves.toEqual([]);
    await sync(1);
    await session.query('ROLLBACK');
    await session.leave();
    expect(await days()).toContain('20260301');
  });

  it('drops the day then, with its batches but the last of each chain, under an audit too', async () => {
    const syncs = Promise.all(Array.from({ length: 5 }, () => sync(1)));
    const dropped = afterTheFirstPage(dropOldDays);
    await expect(audit()).resolves.toMatchObject({ found: [] });
    await expect(dropped).resolves.toEqual(['2026-03-01']);
    await syncs;
    expect(await days()).not.toContain('20260301');
    expect(await days()).toContain('20260302');
    const left = `SELECT number FROM ledger_batches WHERE day_of_jti(first_jti) = '2026-03-01'`;
    await expect(select(issuer, left)).resolves.toEqual([{ number: 2 }]);
    await expect(select(issuer, DROPPED)).resolves.toEqual([{ day: '2026-03-01', tokens: '3' }]);
  });

  it('drops it once', async () => {
    await expect(dropOldDays()).resolves.toEqual([]);
  });

  it('leaves what can be verified: chain, checkpoints and every day that is kept', async () => {
    clock.advance(60_000);
    await expect(audit()).resolves.toMatchObject({ found: [], checkpoints: 1 });
    await checkpoint();
    await expect(audit()).resolves.toMatchObject({ found: [], checkpoints: 2 });
  });

  it('does not trouble an instance whose last token went with its day', async () => {
    await sync(0);
    clock.advance(60_000);
    await expect(audit()).resolves.toMatchObject({ found: [] });
  });

  it('makes an old token none that could be a forgery, unless it lives too long', async () => {
    const found: Finding[] = [];
    const judged = await issuer.running.app
      .get(JudgeToken)
      .judge(oldToken, (finding) => found.push(finding));
    expect([judged.jti, judged.recorded, found]).toEqual([decodeJwt(oldToken).jti, null, []]);
  });

  it.each([
    [`day = '2026-02-27'`, 'and the note differs from what was signed'],
    [`last_checkpoint = 99`, 'and the note differs from what was signed'],
    [
      `signed = (SELECT signed FROM ledger_checkpoints LIMIT 1)`,
      'and the note was not signed by a key of ours',
    ],
  ])('is excused by a signed note only, in a sample too: %s', async (change, why) => {
    const auditor = issuer.running.app.get(LedgerAuditor);
    const sampled: Finding[] = [];
    const intruder = await Intruder.into(issuer);
    await intruder.query('CREATE TEMPORARY TABLE kept AS TABLE ledger_dropped_days');
    await intruder.query(`UPDATE ledger_dropped_days SET ${change}`);
    const { found } = await audit();
    await auditor.sample((finding) => sampled.push(finding));
    await intruder.query('DELETE FROM ledger_dropped_days');
    await intruder.query('INSERT INTO ledger_dropped_days TABLE kept');
    await intruder.leave();
    const told = (findings: readonly Finding[]) => findings.map(({ detail }) => detail).join();
    expect([told(found), told(sampled)]).toEqual([
      expect.stringContaining(why) as string,
      expect.stringContaining(why) as string,
    ]);
  });

  it('is the only way for batches to go, and for whole days only', async () => {
    const intruding = `DELETE FROM ledger_batches WHERE day_of_jti(first_jti) > '2026-03-01'`;
    await expect(select(issuer, intruding)).rejects.toMatchObject({ code: '23001' });
    for (const sql of ['TRUNCATE ledger_batches', 'DELETE FROM ledger_dropped_days']) {
      await expect(select(issuer, sql)).rejects.toMatchObject({ code: '23001' });
    }
  });

  it('goes on day by day, and drops days that had no token', async () => {
    clock.set('2026-03-25T00:00:00.001Z');
    await checkpoint();
    await expect(dropOldDays()).resolves.toEqual([
      ...['2026-03-02', '2026-03-03', '2026-03-04', '2026-03-05', '2026-03-06', '2026-03-07'],
      ...['2026-03-08'],
    ]);
    await expect(audit()).resolves.toMatchObject({ found: [] });
    await sync(1);
    clock.advance(60_000);
    await expect(audit()).resolves.toMatchObject({ found: [] });
  });
});

describe('the checkpoints of the ledger', () => {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00Z'));
  let issuer: TestIssuer;
  let replica: TestIssuer;
  let licenseKey: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    replica = await startTestIssuer({ clock, sharing: issuer });
    ({ licenseKey } = await registerPaidLicense(issuer));
  });
  afterAll(async () => {
    await replica.stop();
    await issuer.stop();
  });

  const syncAt = (one: TestIssuer) => new GitlabInstance(one.url, { licenseKey, instanceId: ID });
  const write = (one = issuer) => one.running.app.get(LedgerCheckpoints).write();
  const list = async (query = '') =>
    (await (await issuer.admin('GET', `ledger_checkpoints${query}`)).json()) as Page;

  it('are not written while there is nothing to cover', async () => {
    await expect(write()).resolves.toBe(0);
    await expect(list()).resolves.toEqual({ items: [], next_cursor: null });
  });

  it('cover the batches of all processes, and are signed with an auxiliary key', async () => {
    await syncAt(issuer).serviceToken();
    await syncAt(replica).serviceToken();
    await expect(write()).resolves.toBe(1);
    const [first] = (await list()).items;
    const keys = (await (
      await fetch(`${issuer.url}/oauth/discovery/auxiliary_keys`)
    ).json()) as JSONWebKeySet;
    const signed = first?.signed ?? '';
    const { payload } = await compactVerify(signed, createLocalJWKSet(keys));
    const batches = await select<{ chain_id: string; number: number; hash: Buffer }>(
      issuer,
      'SELECT * FROM ledger_batches ORDER BY chain_id, number',
    );
    expect(batches).toHaveLength(2);
    const lines = batches.map(
      ({ chain_id, number, hash }) => `["${chain_id}",${number},"${hash.toString('hex')}"]\n`,
    );
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual({
      iss: issuer.url,
      iat: clock.now().getTime() / 1000,
      number: 1,
      previous: null,
      batches: 2,
      tokens: 2,
      batches_hash: createHash('sha256').update(lines.join('')).digest('hex'),
    });
    expect(decodeProtectedHeader(signed).typ).toBe('ledger-checkpoint+jwt');
    expect(first).toMatchObject({
      ...{ number: 1, previous_hash: null, batches: 2, tokens: 2 },
      hash: createHash('sha256').update(signed).digest('hex'),
      created_at: clock.now().toISOString(),
    });
  });

  it('name the one before, whichever replica writes them, and are written once', async () => {
    for (let round = 0; round < 5; round++) {
      await syncAt(issuer).serviceToken();
      const made = await Promise.all([write(), write(replica), write(), write(replica)]);
      expect(made.reduce((sum, each) => sum + each, 0)).toBe(1);
    }
    const { items } = await list();
    expect(items.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(items.slice(1).map(({ previous_hash }) => previous_hash)).toEqual(
      items.slice(0, -1).map(({ hash }) => hash),
    );
  });

  it('are read page by page, and one by its number', async () => {
    const first = await list('?per_page=4');
    expect(first.items).toHaveLength(4);
    const second = await list(`?per_page=4&cursor=${String(first.next_cursor)}`);
    expect(second.items.map(({ number }) => number)).toEqual([5, 6]);
    expect(second.next_cursor).toBeNull();
    const one = await issuer.admin('GET', 'ledger_checkpoints/5');
    await expect(one.json()).resolves.toEqual(second.items[0]);
    for (const number of ['7', '0', 'x', '99999999999999999999']) {
      expect((await issuer.admin('GET', `ledger_checkpoints/${number}`)).status).toBe(404);
    }
    expect((await issuer.admin('GET', 'ledger_checkpoints?cursor=x')).status).toBe(422);
    expect((await fetch(`${issuer.url}/api/v1/ledger_checkpoints`)).status).toBe(401);
  });

  it.each([
    `UPDATE ledger_checkpoints SET tokens = 100`,
    `DELETE FROM ledger_checkpoints`,
    `UPDATE ledger_batches SET checkpoint_number = NULL`,
    `UPDATE ledger_batches SET tokens = 100`,
  ])('stay as they are: %s', async (sql) => {
    await expect(select(issuer, sql)).rejects.toMatchObject({ code: '23001' });
  });

  it('follow the one before, or the database refuses them', async () => {
    const insert = `INSERT INTO ledger_checkpoints
      SELECT $1, $2, sha256('x'), 1, 1, 'x', now() FROM ledger_checkpoints WHERE number = 6`;
    for (const values of [
      [7, Buffer.alloc(32)],
      [8, null],
      [8, Buffer.alloc(32)],
    ]) {
      await expect(select(issuer, insert, values)).rejects.toMatchObject({
        constraint: expect.stringMatching(
          /^ledger_checkpoints_(follow|previous_hash)_check$/,
        ) as string,
      });
    }
  });

  it('come with an audit of a sample, which counts and tells what it finds', async () => {
    const found = async () => {
      const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
      return /issuer_ledger_findings_total\{finding="ROW_MISSING_OR_CHANGED"\} (\d+)/.exec(metrics);
    };
    clock.advance(60_000);
    const { app } = issuer.running;
    const auditSample = () =>
      app.get(LedgerAuditor).sample((finding) => {
        app.get(LedgerFindings).report(finding);
      });
    await auditSample();
    expect((await found())?.[1]).toBe('0');
    expect(issuer.logs.filter((line) => line.includes('the audit of the ledger'))).toEqual([]);

    const intruder = await Intruder.into(issuer);
    await intruder.query(`UPDATE issued_tokens SET gitlab_version = '99.0'`);
    await intruder.leave();
    await auditSample();
    expect(Number((await found())?.[1])).toBeGreaterThan(0);
    const told = issuer.logs.filter((line) => line.includes('the audit of the ledger'));
    expect(JSON.parse(told[0] ?? '{}')).toMatchObject({ level: 'error' });
  });
});

const PARTITIONS = `SELECT right(inhrelid::regclass::text, 8) AS day
  FROM pg_inherits WHERE inhparent = 'issued_tokens'::regclass ORDER BY 1`;

const DROPPED = `SELECT day::text, tokens FROM ledger_dropped_days`;

interface Page {
  readonly items: readonly LedgerCheckpointView[];
  readonly next_cursor: string | null;
}

const ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
