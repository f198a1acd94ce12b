import { dayOf } from '../../src/domain/calendar-day.js';
import { Client } from 'pg';
import { IssuanceLedger } from '../../src/ledger/issuance-ledger.js';
import { FakeClock } from '../support/fake-clock.js';
import { testServerUrl } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY_MS = 86_400_000;
const SYNC = `query($licenseKey: String!, $gitlabVersion: String!) {
  cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) { serviceToken { token } } }`;
const KEY = 'a-key-for-the-days-to-come';

describe('a day of the ledger that has no partition yet', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    await registerLicense(issuer);
  });
  afterAll(() => issuer.stop());

  it('is made by the first tokens of the day, which are all issued', async () => {
    clock.advance(100 * DAY_MS);
    const days = async () => (await ask<{ day: string }>(issuer.database.url, PARTITIONS)).length;
    const before = await days();

    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => sync(issuer, n)));

    expect(answers).toEqual(answers.map(() => 'a token'));
    expect(await days()).toBe(before + 1);
    await expect(ask(issuer.database.url, TOKENS)).resolves.toEqual([
      { partition: `issued_tokens_${dayOf(clock.now()).replaceAll('-', '')}`, tokens: 20 },
    ]);
  });
});

describe('a partition that is made while a backup reads the ledger', () => {
  it('waits for nobody, and no sync waits for it', async () => {
    const issuer = await startTestIssuer();
    const reader = new Client({ connectionString: issuer.database.url });
    await reader.connect();
    try {
      await registerLicense(issuer);
      await reader.query('BEGIN');
      await reader.query('SELECT count(*) FROM issued_tokens');
      const before = (await ask(issuer.database.url, PARTITIONS)).length;

      const inTwoDays = new Date(Date.now() + 2 * DAY_MS);
      await issuer.running.app.get(IssuanceLedger).createPartitionsAhead(inTwoDays);
      expect(await sync(issuer, 1)).toBe('a token');
      expect(await ask(issuer.database.url, PARTITIONS)).toHaveLength(before + 2);
    } finally {
      await reader.end();
      await issuer.stop();
    }
  });
});

describe('the server of the tests', () => {
  it('keeps what it has confirmed, like the one of the service', async () => {
    for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit']) {
      const rows = await ask(testServerUrl(), `SELECT current_setting('${setting}') AS value`);
      expect([setting, ...rows]).toEqual([setting, { value: 'on' }]);
    }
  });
});

const PARTITIONS = `SELECT inhrelid FROM pg_inherits WHERE inhparent = 'issued_tokens'::regclass`;
const TOKENS = `SELECT tableoid::regclass::text AS partition, count(*)::int AS tokens
  FROM issued_tokens GROUP BY 1`;

async function registerLicense(at: TestIssuer): Promise<void> {
  const term = { starts_on: '2026-01-01', expires_on: '2099-01-01' };
  const license = { license_key: KEY, plan: 'ultimate', kind: 'online_cloud', seats: 5, ...term };
  const created = await at.admin('POST', 'licenses', license);
  const { id } = (await created.json()) as { id: string };
  const purchase = { add_on: 'duo_enterprise', quantity: 5, expires_on: '2099-01-01' };
  await at.admin('POST', `licenses/${id}/add_on_purchases`, purchase);
}

async function sync(to: TestIssuer, n: number): Promise<string> {
  const instance = `5d6a9f0e-8c1b-4f6e-9d2a-3b7c8e1f${String(n).padStart(4, '0')}`;
  const response = await fetch(`${to.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-gitlab-instance-id': instance },
    body: JSON.stringify({ query: SYNC, variables: { licenseKey: KEY, gitlabVersion: '18.5.0' } }),
  });
  const text = await response.text();
  return text.includes('"token":"ey') ? 'a token' : text;
}

async function ask<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}
