import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  buildIssuer,
  createLicense,
  startChildIssuer,
  type ChildIssuer,
} from '../support/child-issuer.js';
import { maxAgeOf } from '../contract/max-age.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { DatabaseLink } from './database-link.js';
import { timed } from './load.js';

/** Five times what is promised: other tests run beside on few cores. */
const RECOVERY_MS = 5 * 3000;
const secrets = {
  KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  BOOTSTRAP_ADMIN_TOKEN: randomBytes(32).toString('base64url'),
};

let database: TestDatabase;
let link: DatabaseLink;
let issuer: ChildIssuer | undefined;
beforeAll(async () => {
  await buildIssuer();
  database = await createTestDatabase();
  link = await new DatabaseLink(database.url).open();
});
afterEach(async () => {
  link.close();
  link.speak();
  await link.open();
  await issuer?.remove();
  issuer = undefined;
});
afterAll(async () => {
  link.close();
  await database.drop();
});

/** How long it takes until `done` is true. */
async function until(done: () => Promise<boolean>): Promise<number> {
  const start = performance.now();
  while (!(await done())) {
    if (performance.now() - start > 15_000) throw new Error('this takes too long');
    await sleep(20);
  }
  return performance.now() - start;
}

describe('a start while the database is away', () => {
  let licenseKey: string;
  let published: string;

  it.each(['refuses', 'is silent'])(
    'publishes the kept keys, and issues once the database that %s is back',
    async (how) => {
      const first = await startChildIssuer(link.url, secrets);
      await first.listening;
      licenseKey = await createLicense(first);
      published = await textOf(first, '/oauth/discovery/keys');
      first.child.kill('SIGKILL');
      await first.ended;

      if (how === 'refuses') link.close();
      else link.silence();
      issuer = await startChildIssuer(link.url, { ...first.environment });
      await issuer.listening;
      const restarted = issuer;

      expect(await textOf(issuer, '/oauth/discovery/keys')).toBe(published);
      expect(await textOf(issuer, '/.well-known/openid-configuration')).toContain(issuer.url);
      // Without the database it is unknown when these keys change.
      const kept = await fetch(`${issuer.url}/oauth/discovery/keys`);
      expect(maxAgeOf(kept)).toBeLessThanOrEqual(300);
      const sync = await timed('/graphql', () => restarted.sync(licenseKey));
      expect([sync.status, sync.retryAfter, sync.text]).toEqual([
        503,
        expect.stringMatching(/^\d+$/),
        expect.stringContaining('"code":"UNAVAILABLE"'),
      ]);
      expect((await fetch(`${issuer.url}/-/readiness`)).status).toBe(503);
      expect((await fetch(`${issuer.url}/-/liveness`)).status).toBe(200);
      expect((await issuer.admin('GET', 'licenses')).status).toBe(503);

      if (how === 'refuses') await link.open();
      else link.speak();
      const issues = async () => (await restarted.sync(licenseKey)).status === 200;
      expect(await until(issues)).toBeLessThan(RECOVERY_MS);
      const ready = async () => (await fetch(`${restarted.url}/-/readiness`)).status === 200;
      expect(await until(ready)).toBeLessThan(RECOVERY_MS);
      expect(await textOf(issuer, '/oauth/discovery/keys')).toBe(published);
    },
  );

  it('does not listen before it has keys to publish, because validators cache every answer', async () => {
    link.close();
    issuer = await startChildIssuer(link.url, secrets);
    const { url } = issuer;
    const answers = async () => (await timed('', () => fetch(`${url}/-/liveness`))).status === 200;
    await until(() => Promise.resolve(issuer?.output.stdout.includes('database is away') ?? false));
    await sleep(700);
    expect(await answers()).toBe(false);
    expect(issuer.child.exitCode).toBeNull();

    await link.open();
    expect(await until(answers)).toBeLessThan(RECOVERY_MS);
    expect(await textOf(issuer, '/oauth/discovery/keys')).toContain('"kid"');
  });

  it('ends soon after SIGTERM, like any other start', async () => {
    link.close();
    issuer = await startChildIssuer(link.url, secrets);
    await until(() => Promise.resolve(issuer?.output.stdout.includes('database is away') ?? false));
    const start = performance.now();
    issuer.child.kill('SIGTERM');

    await expect(issuer.ended).resolves.toBe(0);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

async function textOf(of: ChildIssuer, path: string): Promise<string> {
  const response = await fetch(of.url + path);
  expect(response.status).toBe(200);
  return response.text();
}
