import { createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import { Sealing } from '../../src/sealing/sealing.js';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  startChildIssuer,
  tokenOf,
} from '../support/child-issuer.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

jest.setTimeout(120_000);

describe('Storm-0558: a signing key that got out in a crash dump', () => {
  const keyEncryptionKey = randomBytes(32);
  let database: TestDatabase;
  let issuer: ChildIssuer;
  let dumps: string;
  beforeAll(async () => {
    await buildIssuer();
    dumps = await mkdtemp(join(tmpdir(), 'dumps-'));
    database = await createTestDatabase();
    issuer = await startChildIssuer(database.url, {
      KEY_ENCRYPTION_KEY: keyEncryptionKey.toString('base64'),
      NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${dumps}`,
    });
    await issuer.listening;
  }, 240_000);
  afterAll(async () => {
    await issuer.remove();
    await database.drop();
    await rm(dumps, { recursive: true, force: true });
  });

  it('is not in a dump of our heap, in any form in which keys are written', async () => {
    await tokenOf(await issuer.sync(await createLicense(issuer)));
    issuer.child.kill('SIGUSR2');
    const dump = await wholeDump();
    expect(dump).toContain('signing_keys');

    for (const secret of await secrets()) {
      for (const form of ['base64', 'base64url', 'hex'] as const) {
        // A run of bytes from the middle, so that neither padding nor a border hides it.
        const text = secret.toString(form);
        expect(dump.includes(text.slice(16, 56))).toBe(false);
      }
    }
  });

  /** The process pauses while it writes the dump, so the dump is whole when the process answers again. */
  async function wholeDump(): Promise<string> {
    for (let tries = 0; tries < 600; tries += 1) {
      const [name] = await readdir(dumps);
      if (name !== undefined && (await fetch(`${issuer.url}/-/liveness`)).ok) {
        return readFile(join(dumps, name), 'latin1');
      }
      await sleep(100);
    }
    throw new Error('no dump was written');
  }

  /** The private exponent and the primes of every key, and what they are sealed with. */
  async function secrets(): Promise<Buffer[]> {
    const pool = new Pool({ connectionString: database.url });
    const { rows } = await pool.query<{ kid: string; sealed: Buffer }>(
      'SELECT kid, sealed_private_key AS sealed FROM signing_keys',
    );
    await pool.end();
    const keys = rows.flatMap(({ kid, sealed }) => {
      const der = new Sealing(keyEncryptionKey).open(sealed, `signing_keys:${kid}`);
      const { d, p, q } = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }).export({
        format: 'jwk',
      });
      return [der, ...[d, p, q].map((part) => Buffer.from(part ?? '', 'base64url'))];
    });
    expect(keys).toHaveLength(8);
    return [keyEncryptionKey, ...keys];
  }
});
