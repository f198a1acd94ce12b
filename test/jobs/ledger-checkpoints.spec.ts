import { createHash } from 'node:crypto';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import type { LedgerCheckpointView } from '../../src/ledger/ledger-checkpoint.dto.js';
import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { LedgerJobs } from '../../src/scheduler/ledger-jobs.js';
import { registerPaidLicense } from '../support/builders.js';
import { select } from '../contract/ledger.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { Intruder } from '../support/tampering.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

interface Page {
  readonly items: readonly LedgerCheckpointView[];
  readonly next_cursor: string | null;
}

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

  it('cover the batches of all processes, signed with a key that is no token key', async () => {
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
    const jobs = issuer.running.app.get(LedgerJobs);
    await jobs.auditSample();
    expect((await found())?.[1]).toBe('0');
    expect(issuer.logs.filter((line) => line.includes('the audit of the ledger'))).toEqual([]);

    const intruder = await Intruder.into(issuer);
    await intruder.query(`UPDATE issued_tokens SET gitlab_version = '99.0'`);
    await intruder.leave();
    await jobs.auditSample();
    expect(Number((await found())?.[1])).toBeGreaterThan(0);
    const told = issuer.logs.filter((line) => line.includes('the audit of the ledger'));
    expect(JSON.parse(told[0] ?? '{}')).toMatchObject({ level: 'error' });
  });
});

const ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
