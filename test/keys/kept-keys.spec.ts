import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { DatabaseLink } from '../faults/database-link.js';
import {
  buildIssuer,
  type ChildIssuer,
  runIssuer,
  startChildIssuer,
} from '../support/child-issuer.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keyIn, publishedKids } from './key-set.js';

describe('the kept keys, for a start without the database', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it('are written again after a failed write, although no key has changed', async () => {
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

  it('are reported as outdated by readiness, a metric and one log line until they can be written', async () => {
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

  it('are reported as outdated while the unpublished keys cannot be written', async () => {
    const file = join(issuer.dataDir, 'unpublished-keys.json');
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

describe('outdated kept keys', () => {
  let database: TestDatabase;
  let link: DatabaseLink;
  let first: ChildIssuer;
  beforeAll(async () => {
    await buildIssuer();
    database = await createTestDatabase();
    link = await new DatabaseLink(database.url).open();
    first = await startChildIssuer(link.url);
    await first.listening;
    first.child.kill('SIGKILL');
    await first.ended;
    link.close();
  });
  afterAll(async () => {
    await first.remove();
    link.close();
    await database.drop();
  });

  const inDataDir = (name: string) => join(first.dataDir, name);

  /** Without the database, a start has only the kept keys. */
  async function expectNotPublished(reason: RegExp): Promise<void> {
    const { child, ended, output } = runIssuer(first.environment);
    while (!output.stdout.includes('the database is away')) await sleep(10);
    expect(output.stdout).toMatch(reason);
    await expect(fetch(first.url)).rejects.toThrow();
    child.kill('SIGKILL');
    await ended;
  }

  it('are not published when one of them has been unpublished since', async () => {
    const kept = await readFile(inDataDir('published-keys.json'), 'utf8');
    const kid = (JSON.parse(kept) as { keys: { kid: string }[] }).keys[0]?.kid;
    const unpublished = [{ kid, unpublished_at: '2026-01-01T00:00:00.000Z' }];
    await writeFile(inDataDir('unpublished-keys.json'), JSON.stringify(unpublished));
    await expectNotPublished(/are not published: .* has been unpublished since/);
    await rm(inDataDir('unpublished-keys.json'));
  });

  it('are not published when other replicas sign with newer keys by the schedule', async () => {
    const path = inDataDir('published-keys.json');
    const kept = JSON.parse(await readFile(path, 'utf8')) as { holds_signer_until: string };
    expect(Date.parse(kept.holds_signer_until)).toBeGreaterThan(Date.now());
    await writeFile(path, JSON.stringify({ ...kept, holds_signer_until: '2026-01-01T00:00:00Z' }));
    await expectNotPublished(/are not published: by their schedule/);
  });
});
