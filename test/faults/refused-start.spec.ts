import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import {
  buildIssuer,
  newDataDir,
  runIssuer,
  startChildIssuer,
  type ChildIssuer,
} from '../support/child-issuer.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

let database: TestDatabase;
let first: ChildIssuer;
beforeAll(async () => {
  await buildIssuer();
  database = await createTestDatabase();
  first = await startChildIssuer(database.url);
  await first.listening;
});
afterAll(async () => {
  await first.remove();
  await database.drop();
});

describe('a start with the wrong key-encryption key', () => {
  it('ends at once and says which variable is wrong, but no secret', async () => {
    const wrong = randomBytes(32).toString('base64');
    const { environment } = first;
    const second = await startChildIssuer(database.url, {
      BOOTSTRAP_ADMIN_TOKEN: environment.BOOTSTRAP_ADMIN_TOKEN ?? '',
      KEY_ENCRYPTION_KEY: wrong,
    });

    await expect(second.ended).resolves.toBe(1);
    expect(second.output.stderr).toMatch(/^KEY_ENCRYPTION_KEY does not open what is in this data/);
    const told = second.output.stderr + second.output.stdout;
    for (const secret of [wrong, environment.KEY_ENCRYPTION_KEY, new URL(database.url).password]) {
      expect(told).not.toContain(secret);
    }
    await second.remove();
  });

  it('does not affect replicas with the right key', async () => {
    expect((await fetch(`${first.url}/-/readiness`)).status).toBe(200);
    expect((await fetch(`${first.url}/oauth/discovery/keys`)).status).toBe(200);
    expect((await first.admin('GET', 'licenses')).status).toBe(200);
  });
});

describe('a start with a wrong configuration', () => {
  it('ends at once with one message that names every fault and no secret', async () => {
    const dataDir = await newDataDir();
    const { ended, output } = runIssuer({
      DATA_DIR: dataDir,
      PORT: 'eighty',
      DATABASE_URL: 'mysql://root:hush-hush@localhost/issuer',
      ISSUER_URL: 'http://issuer.example.com/path',
      KEY_ENCRYPTION_KEY: 'too-short-a-secret',
      BOOTSTRAP_ADMIN_TOKEN: 'short-secret',
      SERVICE_TOKEN_TTL_SECONDS: '60',
      LOG_LEVEL: 'loud',
    });

    await expect(ended).resolves.toBe(1);
    for (const name of [
      ...['PORT', 'DATABASE_URL', 'ISSUER_URL', 'KEY_ENCRYPTION_KEY', 'BOOTSTRAP_ADMIN_TOKEN'],
      ...['SERVICE_TOKEN_TTL_SECONDS', 'LOG_LEVEL'],
    ]) {
      expect(output.stderr).toMatch(new RegExp(`^ +${name}: `, 'm'));
    }
    expect(output.stderr).not.toMatch(/hush-hush|too-short-a-secret|short-secret|\n +at /);
    expect(output.stdout).toBe('');
    await rm(dataDir, { recursive: true });
  });

  it('asks for a key-encryption key unless the database is the embedded one', async () => {
    const { ended, output } = runIssuer({ DATABASE_URL: database.url });

    await expect(ended).resolves.toBe(1);
    expect(output.stderr).toMatch(/KEY_ENCRYPTION_KEY: required with DATABASE_URL/);
  });
});
