import { randomBytes, randomUUID } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { Pool } from 'pg';
import { Sealing } from '../../src/sealing/sealing.js';
import { generateSigningKey } from '../../src/signing-keys/signing-key.js';
import { insert } from '../persistence/rows.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, keyIn, publishedKids, timeline } from './key-set.js';

const PUBLISHED = new Date('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('a start on keys that are there already', () => {
  let database: TestDatabase;
  let pool: Pool;
  let clock: FakeClock;
  const keyEncryptionKey = randomBytes(32);

  beforeEach(async () => {
    clock = new FakeClock(new Date(PUBLISHED.getTime() + 30 * DAY));
    database = await createTestDatabase();
    pool = new Pool({ connectionString: database.url });
  });
  afterEach(async () => {
    await pool.end();
    await database.drop();
  });

  async function addKey(phase: 'current' | 'next'): Promise<string> {
    const { kid, publicJwk, privateKey } = await generateSigningKey();
    await insert(pool, 'signing_keys', {
      kid,
      phase,
      public_jwk: publicJwk,
      sealed_private_key: new Sealing(keyEncryptionKey).seal(privateKey, `signing_keys:${kid}`),
      published_at: PUBLISHED,
      signs_from: phase === 'current' ? PUBLISHED : null,
    });
    return kid;
  }

  const start = () =>
    startTestIssuer({
      clock,
      database: { ...database, drop: () => Promise.resolve() },
      environment: { KEY_ENCRYPTION_KEY: keyEncryptionKey.toString('base64') },
    });

  /** A sync whose token is accepted by a validator that fetches the keys now. @returns its kid */
  async function kidOfSync(issuer: TestIssuer, licenseKey: string): Promise<string | undefined> {
    const instanceId = randomUUID();
    const { token } = await new GitlabInstance(issuer.url, {
      licenseKey,
      instanceId,
    }).serviceToken();
    const validator = new BackendValidator(issuer.url, 'gitlab-ai-gateway', () => clock.now());
    const verdict = await validator.judge(backendHeaders(token, instanceId));
    expect(verdict).toMatchObject({ accepted: true });
    return decodeProtectedHeader(token).kid;
  }

  it('goes on with its keys, and switches them on schedule', async () => {
    const [current, next] = [await addKey('current'), await addKey('next')];
    const issuer = await start();
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
    expect(await kidOfSync(issuer, licenseKey)).toBe(current);

    clock.set(new Date(PUBLISHED.getTime() + 90 * DAY));
    expect(await keepKeys(issuer)).toEqual(['switch']);
    expect(await kidOfSync(issuer, licenseKey)).toBe(next);
    expect(await publishedKids(issuer)).toContain(current);
    await issuer.stop();
  });

  it('publishes the next key that is missing, and signs with the current key on (Vault 13223)', async () => {
    const current = await addKey('current');
    const issuer = await start();
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
    const next = await keyIn(issuer, 'next');
    expect(next.published_at).toBe(clock.now().toISOString());
    clock.advance(25 * HOUR);
    await keepKeys(issuer);
    expect(await kidOfSync(issuer, licenseKey)).toBe(current);

    clock.set(new Date(PUBLISHED.getTime() + 91 * DAY));
    expect(await keepKeys(issuer)).toEqual(['switch']);
    expect(await kidOfSync(issuer, licenseKey)).toBe(next.kid);
    clock.advance(25 * HOUR);
    await keepKeys(issuer);
    expect(await kidOfSync(issuer, licenseKey)).toBe(next.kid);
    await issuer.stop();
  });

  it('does not pile up keys, however often it happens (SPIRE 4429)', async () => {
    await addKey('current');
    await addKey('next');
    for (let starts = 0; starts < 4; starts += 1) {
      const replica = await start();
      expect(await timeline(replica)).toHaveLength(2);
      await replica.stop();
    }
  });
});
