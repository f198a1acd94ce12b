import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keyIn, publishedKids } from './key-set.js';

describe('the key set that is kept for a start without the database', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it('is written at the next look after a write has failed, although no key has changed', async () => {
    const file = join(issuer.dataDir, 'published-keys.json');
    const kids = async () =>
      (JSON.parse(await readFile(file, 'utf8')) as { keys: { kid: string }[] }).keys.map(
        ({ kid }) => kid,
      );
    const { kid } = await keyIn(issuer, 'next');
    await rm(file);
    await mkdir(file);
    expect((await issuer.admin('POST', `signing_keys/${kid}/revoke`)).status).toBe(200);
    expect(issuer.logs.join()).toContain('could not be kept');

    await rm(file, { recursive: true });
    await issuer.running.app.get(SigningKeys).refresh();
    expect(await kids()).toEqual(await publishedKids(issuer));
  });

  it('is told to be outdated by readiness, a metric and one line of the log until it can be written', async () => {
    const folder = join(issuer.dataDir, 'published-keys.json');
    const refresh = () => issuer.running.app.get(SigningKeys).refresh();
    expect(await told()).toEqual([200, 'current', '0']);
    const before = failures();
    await rm(folder);
    await mkdir(folder);
    const { kid } = await keyIn(issuer, 'next');
    expect((await issuer.admin('POST', `signing_keys/${kid}/revoke`)).status).toBe(200);
    await refresh();
    await refresh();
    expect(await told()).toEqual([200, 'outdated', '1']);
    expect(failures() - before).toBe(1);

    await rm(folder, { recursive: true });
    await refresh();
    expect(await told()).toEqual([200, 'current', '0']);
    expect(issuer.logs.join()).toContain('the published keys are kept again');
  });

  it('is told to be outdated also while the keys that may never sign again cannot be kept', async () => {
    const file = join(issuer.dataDir, 'dropped-keys.json');
    await rm(file, { force: true });
    await mkdir(file);
    const { kid } = await keyIn(issuer, 'next');
    expect((await issuer.admin('POST', `signing_keys/${kid}/revoke`)).status).toBe(200);
    await issuer.running.app.get(SigningKeys).refresh();
    expect(await told()).toEqual([200, 'outdated', '1']);

    await rm(file, { recursive: true });
    await issuer.running.app.get(SigningKeys).refresh();
    expect(await told()).toEqual([200, 'current', '0']);
    expect(await readFile(file, 'utf8')).toContain(kid);
  });

  const failures = () =>
    issuer.logs.filter((line) => line.includes('the published keys could not be kept')).length;

  async function told(): Promise<unknown[]> {
    const ready = await fetch(`${issuer.url}/-/readiness`);
    const { checks } = (await ready.json()) as { readonly checks: { readonly kept_keys: string } };
    const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
    const [, metric] = /^issuer_kept_keys_outdated (\d)$/m.exec(metrics) ?? [];
    return [ready.status, checks.kept_keys, metric];
  }
});
