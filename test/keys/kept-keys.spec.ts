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
});
