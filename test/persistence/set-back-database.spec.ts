import { randomUUID } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { Client } from 'pg';
import { select } from '../contract/ledger.js';
import { keepKeys, keyIn, publishedKids } from '../keys/key-set.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** As after a restore, or a failover to a replica of Postgres that lagged behind. */
async function lose(issuer: TestIssuer, table: string): Promise<void> {
  const client = new Client({ connectionString: issuer.database.url });
  await client.connect();
  try {
    await client.query(`SET session_replication_role = replica; DELETE FROM ${table}`);
  } finally {
    await client.end();
  }
}

describe('a database that was restored from a backup while the service runs', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it.each(['scope_sets', 'catalog_snapshots', 'policy_snapshots'])(
    'gets the %s that tokens refer to again, and the tokens are issued',
    async (table) => {
      const { licenseKey } = await registerPaidLicense(issuer);
      const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
      expect((await instance.sync()).effect).toBe('stores the token');

      await lose(issuer, table);

      expect((await instance.sync()).effect).toBe('stores the token');
    },
  );
});

describe('a database that was restored to a time before a key was revoked', () => {
  const clock = new FakeClock(new Date('2026-03-01T00:00:00.000Z'));
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  it('does not bring the key back: it neither signs nor is published, until it is revoked again', async () => {
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
    const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    clock.advance(95_040_000);
    await select(issuer, 'CREATE TABLE backup AS SELECT * FROM signing_keys');
    const [leaked, nextKey] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    const revoke = () => issuer.admin('POST', `signing_keys/${leaked.kid}/revoke`);
    expect((await revoke()).status).toBe(200);

    await lose(issuer, 'signing_keys; INSERT INTO signing_keys SELECT * FROM backup');
    await expect(keepKeys(issuer)).rejects.toThrow(
      `the database was set back: it has ${leaked.kid} again`,
    );
    expect(await publishedKids(issuer)).not.toContain(leaked.kid);
    expect((await instance.sync()).effect).toBe('asks again');

    expect((await revoke()).status).toBe(200);
    const { token } = await instance.serviceToken();
    expect(decodeProtectedHeader(token).kid).toBe(nextKey.kid);
    expect(await publishedKids(issuer)).not.toContain(leaked.kid);
  });
});

describe('a database that was restored while no service ran', () => {
  const clock = new FakeClock(new Date('2026-03-01T00:00:00.000Z'));
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  it('does not bring a revoked key back: others are published as before, and nothing is signed', async () => {
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
    clock.advance(95_040_000);
    await select(issuer, 'CREATE TABLE backup AS SELECT * FROM signing_keys');
    const leaked = await keyIn(issuer, 'current');
    const revoke = (one: TestIssuer) => one.admin('POST', `signing_keys/${leaked.kid}/revoke`);
    expect((await revoke(issuer)).status).toBe(200);
    const published = await publishedKids(issuer);

    await lose(issuer, 'signing_keys; INSERT INTO signing_keys SELECT * FROM backup');

    const environment = { DATA_DIR: issuer.dataDir };
    const restarted = await startTestIssuer({ clock, sharing: issuer, environment });
    const instance = new GitlabInstance(restarted.url, { licenseKey, instanceId: randomUUID() });
    try {
      expect(await publishedKids(restarted)).toEqual(published);
      const readiness = await fetch(`${restarted.url}/-/readiness`);
      expect(readiness.status).toBe(503);
      expect(await readiness.json()).toMatchObject({ checks: { key_history: 'set_back' } });
      expect(restarted.logs.join()).toContain(
        `the database was set back: it has ${leaked.kid} again`,
      );
      const refused = await instance.sync();
      expect(refused.effect).toBe('asks again');
      expect(refused.text).toContain('The signing keys cannot be used right now');

      expect((await revoke(restarted)).status).toBe(200);
      await restarted.running.broughtUp;
      const { token } = await instance.serviceToken();
      expect(decodeProtectedHeader(token).kid).not.toBe(leaked.kid);
      expect((await fetch(`${restarted.url}/-/readiness`)).status).toBe(200);
    } finally {
      await restarted.stop();
    }
  });
});
