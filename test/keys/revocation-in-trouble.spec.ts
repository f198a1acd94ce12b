import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, keyIn, publishedKids, timeline } from './key-set.js';

const START = '2026-03-01T00:00:00.000Z';
const DAY = 86_400_000;
const LEAD = 95_040_000;

let clock: FakeClock;
let issuer: TestIssuer;
beforeEach(async () => {
  clock = new FakeClock(new Date(START));
  issuer = await startTestIssuer({ clock });
});
afterEach(() => issuer.stop());

const revoke = (kid: string, body?: object) =>
  issuer.admin('POST', `signing_keys/${kid}/revoke`, body);

/** @returns the kid of a retired key with a token that lives for three more days */
async function retiredKey(): Promise<string> {
  clock.advance(LEAD);
  const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
  await new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() }).serviceToken();
  const { kid } = await keyIn(issuer, 'current');
  expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(200);
  return kid;
}

async function sql(statement: string): Promise<void> {
  const client = new Client({ connectionString: issuer.database.url });
  await client.connect();
  await client.query(statement);
  await client.end();
}

describe('a rotation that two people request at once', () => {
  it('happens once, and both requests succeed', async () => {
    clock.advance(LEAD);
    const nextKey = await keyIn(issuer, 'next');
    const rotate = () => issuer.admin('POST', 'signing_keys/rotate');
    const [one, other] = await Promise.all([rotate(), rotate()]);
    expect([one.status, other.status]).toEqual([200, 200]);
    expect((await keyIn(issuer, 'current')).kid).toBe(nextKey.kid);
  });
});

describe('a leaked key', () => {
  it('is unpublished although a due switch fails', async () => {
    const leaked = await retiredKey();
    await sql(`UPDATE signing_keys SET sealed_private_key = set_byte(sealed_private_key, 40, 0)
      || '\\x00' WHERE phase = 'next'`);
    clock.advance(LEAD);
    await sql(`UPDATE signing_keys SET signs_from = signs_from - interval '90 days',
      published_at = published_at - interval '90 days' WHERE phase <> 'retired'`);
    await expect(keepKeys(issuer)).rejects.toThrow('was changed');
    expect(await publishedKids(issuer)).toContain(leaked);

    expect((await revoke(leaked)).status).toBe(200);
    expect(await publishedKids(issuer)).not.toContain(leaked);
  });

  it('is unpublished while the clock is wrong, and no other key', async () => {
    const innocent = await retiredKey();
    const nextKey = await keyIn(issuer, 'next');
    expect(await keepKeys(issuer)).toEqual([]);
    clock.beAhead(100 * DAY);
    expect(await keepKeys(issuer)).toEqual([]);

    expect((await revoke(nextKey.kid)).status).toBe(200);
    expect(await publishedKids(issuer)).not.toContain(nextKey.kid);
    expect(await publishedKids(issuer)).toContain(innocent);
  });

  it('is reported as revoked although the impact cannot be counted', async () => {
    clock.advance(LEAD);
    const leaked = await keyIn(issuer, 'current');
    await sql('ALTER TABLE issued_tokens RENAME TO unreadable');

    const response = await revoke(leaked.kid);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ outcome: 'revoke', impact: null });
    expect(await publishedKids(issuer)).not.toContain(leaked.kid);
    expect(issuer.logs.join()).toContain('a signing key was revoked');
  });

  it('is reported as revoked although it cannot be unpublished, and is unpublished later', async () => {
    clock.advance(LEAD);
    const leaked = await keyIn(issuer, 'current');
    await sql(`CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE 'the disk is full'; END $$;
      CREATE TRIGGER stay BEFORE UPDATE ON signing_keys FOR EACH ROW
      WHEN (NEW.unpublished_at IS NOT NULL) EXECUTE FUNCTION stay()`);

    for (const outcome of ['revoke', 'nothing']) {
      const response = await revoke(leaked.kid);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ outcome, still_published: true });
    }
    expect((await keyIn(issuer, 'current')).kid).not.toBe(leaked.kid);
    expect(await publishedKids(issuer)).toContain(leaked.kid);
    const log = issuer.logs.join();
    expect(log).toContain('a signing key was revoked');
    expect(log).toContain('a revoked key does not sign any more, but is still published');

    await sql('DROP TRIGGER stay ON signing_keys');
    expect(await (await revoke(leaked.kid)).json()).toMatchObject({ still_published: false });
    expect(await publishedKids(issuer)).not.toContain(leaked.kid);
  });

  it('is unpublished at once without a next key when the outage is accepted', async () => {
    const leaked = await keyIn(issuer, 'current');
    await sql(`DELETE FROM signing_keys WHERE phase = 'next'`);
    expect((await revoke(leaked.kid)).status).toBe(409);
    await sql(`DELETE FROM signing_keys WHERE phase = 'next'`);

    expect((await revoke(leaked.kid, { accept_outage: true })).status).toBe(200);
    expect(await publishedKids(issuer)).not.toContain(leaked.kid);
    const phases = (await timeline(issuer)).map(({ phase }) => phase);
    expect(phases.sort()).toEqual(['current', 'next', 'retired']);
  });
});
