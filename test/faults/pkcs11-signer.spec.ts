import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { Client } from 'pg';
import { Sealing } from '../../src/sealing/sealing.js';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  startChildIssuer,
  tokenOf,
} from '../support/child-issuer.js';
import { createSoftHsm, type SoftHsm, softHsmMissing } from '../support/soft-hsm.js';
import { describeUnless } from '../support/debian.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const KEY = Buffer.alloc(32, 'k');
/** The next key may sign 1.1 s after its publication. */
const COMMON = {
  KEY_ENCRYPTION_KEY: KEY.toString('base64'),
  BOOTSTRAP_ADMIN_TOKEN: 'an-admin-token-of-every-replica-here',
  JWKS_CACHE_SECONDS: '1',
  // It marks the keys on the HSM, so all replicas and restarts must have the same one.
  ISSUER_URL: 'http://localhost:3000',
};

let database: TestDatabase;
let hsm: SoftHsm;
const children: ChildIssuer[] = [];

async function start(environment: Readonly<Record<string, string>>): Promise<ChildIssuer> {
  const child = await startChildIssuer(database.url, { ...COMMON, ...environment });
  children.push(child);
  return child;
}

async function started(environment: Readonly<Record<string, string>>): Promise<ChildIssuer> {
  const child = await start(environment);
  await child.listening;
  return child;
}

describeUnless(softHsmMissing())('signing keys on an HSM', () => {
  beforeAll(buildIssuer);
  beforeEach(async () => {
    database = await createTestDatabase();
    hsm = await createSoftHsm();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      await child.remove();
      expect(child.output.stdout + child.output.stderr).not.toContain(hsm.environment.PKCS11_PIN);
    }
    await hsm.remove();
    await database.drop();
  });

  it('make signatures that the published keys verify, before and after a restart, and stay on it', async () => {
    const first = await started(hsm.environment);
    const licenseKey = await createLicense(first);
    const kid = await signedBy(first, licenseKey);
    await first.remove();
    await expectKeysOnlyOnHsm();

    const second = await started(hsm.environment);
    const syncs = Array.from({ length: 40 }, () => signedBy(second, licenseKey));
    expect(new Set(await Promise.all(syncs))).toEqual(new Set([kid]));
    await expect(hsm.read()).resolves.toMatchObject({ keys: { length: 2 } });
  });

  it('are destroyed after their retirement, and a replica that was paused signs with the next key', async () => {
    const [awake, asleep] = [await started(hsm.environment), await started(hsm.environment)];
    const licenseKey = await createLicense(awake);
    const retired = await signedBy(asleep, licenseKey);
    asleep.child.kill('SIGSTOP');
    await rotate(awake);
    const next = await signedBy(awake, licenseKey);
    expect(next).not.toBe(retired);
    while ((await hsm.read()).keys.some(({ id }) => id === retired)) await sleep(50);
    const { keys, publicIds } = await hsm.read();
    expect(publicIds).not.toContain(retired);
    expect(keys).toHaveLength(2);

    asleep.child.kill('SIGCONT');
    await expect(signedBy(asleep, licenseKey)).resolves.toBe(next);
  });

  it('are destroyed by the next start after a crash between the row and the HSM', async () => {
    const first = await started(hsm.environment);
    const licenseKey = await createLicense(first);
    const retired = await signedBy(first, licenseKey);
    first.child.kill('SIGKILL');
    await first.ended;
    // The crash came after this commit.
    await ask(`UPDATE signing_keys SET phase = 'retired', sealed_private_key = NULL,
      retired_at = now() WHERE phase = 'current'`);
    await ask(`UPDATE signing_keys SET phase = 'current', signs_from = now(), outage_accepted = true
      WHERE phase = 'next'`);
    expect((await hsm.read()).keys.map(({ id }) => id)).toContain(retired);

    const second = await started(hsm.environment);
    while ((await hsm.read()).keys.some(({ id }) => id === retired)) await sleep(50);
    await expect(signedBy(second, licenseKey)).resolves.not.toBe(retired);
  });

  it('replace keys in the database by rotations, and are replaced by rotations', async () => {
    const without = await started({});
    const licenseKey = await createLicense(without);
    const kidBefore = await signedBy(without, licenseKey);
    await without.remove();

    const onHsm = await started(hsm.environment);
    await expect(signedBy(onHsm, licenseKey)).resolves.toBe(kidBefore);
    await rotate(onHsm);
    await rotate(onHsm);
    const kidOnHsm = await signedBy(onHsm, licenseKey);
    expect((await hsm.read()).keys.map(({ id }) => id)).toContain(kidOnHsm);
    await onHsm.remove();

    const refused = await start({});
    await expect(refused.ended).resolves.toBe(1);
    expect(refused.output.stderr).toMatch(/is on an HSM: set PKCS11_MODULE/);

    const back = await started({ ...hsm.environment, PKCS11_NEW_KEYS: 'false' });
    await expect(signedBy(back, licenseKey)).resolves.toBe(kidOnHsm);
    await rotate(back);
    await rotate(back);
    while ((await hsm.read()).keys.length > 0) await sleep(50);
    await back.remove();

    const again = await started({});
    expect((await hsm.read()).keys).toEqual([]);
    await signedBy(again, licenseKey);
  }, 60_000);

  it('continue to sign after every session with the HSM was lost', async () => {
    const lost = await hsm.run('lose-sessions.mjs');
    expect(JSON.parse(lost)).toEqual({
      before: 256,
      after: 256,
      atOnce: 20,
      erased: 'SigningKeyGoneError',
    });
  });

  it('sign with an HSM that does not hash', async () => {
    await hsm.remove();
    hsm = await createSoftHsm('slots.mechanisms = -CKM_SHA256_RSA_PKCS');
    const issuer = await started(hsm.environment);
    await signedBy(issuer, await createLicense(issuer));
  });

  it('let a start with kept keys wait until the HSM is back', async () => {
    const first = await started(hsm.environment);
    const licenseKey = await createLicense(first);
    const kid = await signedBy(first, licenseKey);
    first.child.kill('SIGTERM');
    await first.ended;
    await hsm.pullOut();
    const again = await started({ ...hsm.environment, DATA_DIR: first.dataDir });
    while (!again.output.stdout.includes('PKCS11_TOKEN_LABEL: no HSM is')) await sleep(20);
    expect((await fetch(`${again.url}/oauth/discovery/keys`)).status).toBe(200);
    expect((await again.sync(licenseKey)).status).toBe(503);
    await hsm.putBack();
    while ((await fetch(`${again.url}/-/readiness`)).status !== 200) await sleep(50);
    await expect(signedBy(again, licenseKey)).resolves.toBe(kid);
  });

  it('let a start with kept keys wait after a refused PIN, and send that PIN only once', async () => {
    const first = await started(hsm.environment);
    first.child.kill('SIGTERM');
    await first.ended;
    const wrong = { ...hsm.environment, PKCS11_PIN: 'a-wrong-pin', DATA_DIR: first.dataDir };
    const again = await started(wrong);
    while (!again.output.stdout.includes('PKCS11_PIN: the HSM refused')) await sleep(20);
    expect((await fetch(`${again.url}/oauth/discovery/keys`)).status).toBe(200);
    await expect(hsm.run('refused-pin.mjs')).resolves.toBe('CKR_PIN_INCORRECT CKR_PIN_INCORRECT');
  });

  it.each([
    [{ PKCS11_PIN: 'a-wrong-pin' }, /PKCS11_PIN: the HSM refused this PIN: CKR_PIN_INCO/],
    [{ PKCS11_TOKEN_LABEL: 'other' }, /PKCS11_TOKEN_LABEL: no HSM is labelled "other"/],
    [
      { PKCS11_MODULE: '/etc/hostname' },
      /PKCS11_MODULE: \/etc\/hostname cannot be loaded as a PKCS #11 library/,
    ],
  ])('refuse a start with %j, and name the variable', async (wrong, message) => {
    const refused = await start({ ...hsm.environment, ...wrong });
    await expect(refused.ended).resolves.toBe(1);
    expect(refused.output.stderr).toMatch(message);
    expect(refused.output.stderr).not.toContain('a-wrong-pin');
    expect(refused.output.stderr).not.toMatch(/\n +at /);
  });
});

/** The database has only a reference, and the HSM does not export the private half. */
async function expectKeysOnlyOnHsm(): Promise<void> {
  const rows = await ask('SELECT kid, sealed_private_key AS sealed FROM signing_keys');
  const { keys, publicIds } = await hsm.read();
  expect(keys.map(({ id }) => id).sort()).toEqual(rows.map(({ kid }) => kid).sort());
  expect([...publicIds].sort()).toEqual(keys.map(({ id }) => id).sort());
  for (const key of keys) {
    expect(key).toEqual({
      id: key.id,
      label: expect.stringMatching(/^issuer-[0-9a-f]{10}-\d+$/) as string,
      ...{ sensitive: true, extractable: false, signs: true, deciphers: false },
      ...{ privateExponent: 'CKR_ATTRIBUTE_SENSITIVE', prime: 'CKR_ATTRIBUTE_SENSITIVE' },
    });
  }
  for (const { kid, sealed } of rows) {
    const kept = new Sealing(KEY).open(sealed ?? Buffer.of(), `signing_keys:${kid}`);
    expect(JSON.parse(kept.toString())).toEqual({ pkcs11: { id: kid } });
  }
}

/** Syncs, and verifies the token with the published keys. @returns the kid that signed it */
async function signedBy(issuer: ChildIssuer, licenseKey: string): Promise<string> {
  const token = await tokenOf(await issuer.sync(licenseKey));
  const published = await fetch(`${issuer.url}/oauth/discovery/keys`);
  const keySet = createLocalJWKSet((await published.json()) as JSONWebKeySet);
  const { protectedHeader } = await jwtVerify(token, keySet, { algorithms: ['RS256'] });
  return protectedHeader.kid ?? '';
}

/** Switches to the next key as soon as it may sign. */
async function rotate(issuer: ChildIssuer): Promise<void> {
  for (;;) {
    const answer = await issuer.admin('POST', 'signing_keys/rotate');
    if (answer.status === 200) return;
    const text = await answer.text();
    if (!text.includes('ROTATION_TOO_EARLY')) throw new Error(`no rotation: ${text}`);
    await sleep(100);
  }
}

async function ask(sql: string): Promise<{ kid: string; sealed: Buffer | null }[]> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<{ kid: string; sealed: Buffer | null }>(sql)).rows;
  } finally {
    await client.end();
  }
}
