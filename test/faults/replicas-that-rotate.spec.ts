import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { type ChildIssuer, createLicense, tokenOf } from '../support/child-issuer.js';
import { ageKeys, type ChildReplicas, childReplicas } from '../support/child-replicas.js';

jest.setTimeout(120_000);

/** They run through the whole file. */
let all: ChildReplicas;
let replicas: ChildIssuer[];
beforeAll(async () => {
  all = await childReplicas({
    JWKS_CACHE_SECONDS: '3600',
    SIGNING_KEY_ROTATION_DAYS: '1',
    ISSUER_URL: 'http://localhost:3000',
  });
  replicas = await Promise.all([1, 2, 3].map(() => all.start()));
}, 240_000);
afterAll(() => all.remove());

const replica = (index: number): ChildIssuer => {
  const found = replicas[index];
  if (!found) throw new Error('there is no such replica');
  return found;
};
const kidsIn = async (phase: string) =>
  (
    await all.pool.query<{ kid: string }>('SELECT kid FROM signing_keys WHERE phase = $1', [phase])
  ).rows.map(({ kid }) => kid);
const publishedBy = async ({ url }: ChildIssuer) =>
  (await fetch(`${url}/oauth/discovery/keys`)).text();

async function allPublishTheSame(count: number): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const sets = new Set(await Promise.all(replicas.map(publishedBy)));
    const keys = JSON.parse([...sets][0] ?? '') as { keys: unknown[] };
    if (sets.size === 1 && keys.keys.length === count) return;
    await sleep(25);
  }
  throw new Error('the replicas publish different keys');
}

describe('three replicas, as processes', () => {
  it('switch once when they rotate at the same instant, and then use the same keys', async () => {
    const licenseKey = await createLicense(replica(0));
    const [nextKey] = await kidsIn('next');
    await ageKeys(all.pool, '12 hours');
    const answers = await Promise.all(
      replicas.map((one) => one.admin('POST', 'signing_keys/rotate')),
    );
    expect(answers.map(({ status }) => status)).toContain(200);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect(await kidsIn('current')).toEqual([nextKey]);
    expect(await kidsIn('retired')).toHaveLength(1);
    await allPublishTheSame(3);
    for (const one of replicas) {
      const token = await tokenOf(await one.sync(licenseKey, randomUUID()));
      expect(decodeProtectedHeader(token).kid).toBe(nextKey);
    }
  });

  it('sign only with the new key, even a replica that was paused during the rotation', async () => {
    const licenseKey = await createLicense(replica(0));
    const sleeper = replica(2);
    await tokenOf(await sleeper.sync(licenseKey));
    const [nextKey] = await kidsIn('next');
    await ageKeys(all.pool, '12 hours');
    sleeper.child.kill('SIGSTOP');
    expect((await replica(0).admin('POST', 'signing_keys/rotate')).status).toBe(200);
    sleeper.child.kill('SIGCONT');

    const tokens = await Promise.all(
      Array.from({ length: 20 }, async () => tokenOf(await sleeper.sync(licenseKey, randomUUID()))),
    );
    const kids = new Set(tokens.map((token) => decodeProtectedHeader(token).kid));
    expect([...kids]).toEqual([nextKey]);
    await allPublishTheSame(4);
  });

  it('take each overdue step once when they start together', async () => {
    const [old, nextKey] = [await kidsIn('current'), await kidsIn('next')];
    await Promise.all(replicas.map((one) => one.remove()));
    await ageKeys(all.pool, '400 days');
    replicas = await Promise.all([1, 2, 3].map(() => all.start()));
    expect(await kidsIn('current')).toEqual(nextKey);
    expect(await kidsIn('retired')).toEqual(expect.arrayContaining(old));
    expect(await kidsIn('retired')).toHaveLength(3);
    expect(await kidsIn('next')).toHaveLength(1);
    for (const { output } of replicas) expect(output.stdout).not.toMatch(/"level":"(error|fatal)"/);
  });
});
