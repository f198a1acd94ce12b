import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAppConfig } from '../../config/app-config.js';
import { withOperatorContext } from '../../src/cli/operator-context.js';
import { createLogger } from '../../src/platform/logging.js';
import { startIssuer } from '../../src/start-issuer.js';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const KEY_ENCRYPTION_KEY = Buffer.alloc(32, 1).toString('base64');
let database: TestDatabase;
let dataDir: string;
beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'refused-'));
});
afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true });
  await database.drop();
});

/** The error of a start with these settings, as text. */
async function messageOf(settings: Readonly<Record<string, string>>): Promise<string> {
  const config = readAppConfig({
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    KEY_ENCRYPTION_KEY,
    ...settings,
  });
  const logger = createLogger('silent', { write: () => undefined });
  try {
    await (await startIssuer(config, { logger, lingerMs: 0 })).close();
    return 'started';
  } catch (error) {
    return String(error);
  }
}

function databaseWith(change: (url: URL) => void): string {
  const url = new URL(database.url);
  change(url);
  return url.href;
}

describe('a start ends and names the setting, without its value, of', () => {
  it('a catalog in which a misspelt date would give a feature away', async () => {
    const text = 'name: ask_epic\ndescription: Asks\ncutoff_date: 2024-10-17\n';
    const CATALOG_DIR = catalogFolder({ 'unit_primitives/ask_epic.yml': text });
    const message = await messageOf({ CATALOG_DIR });
    removeCatalogFolders();

    expect(message).toContain(
      "unit_primitives/ask_epic.yml: cutoff_date: is unknown, and looks like 'cut_off_date' misspelt",
    );
    expect(message).toContain('set CATALOG_DIR to another catalog');
  });

  it('a database that refuses the password, at either URL', async () => {
    const wrong = databaseWith((url) => {
      url.password = 'hush-hush';
    });
    const because = 'the database refuses its user or password: correct one of them';
    const direct = { DATABASE_DIRECT_URL: wrong };
    const pooled = { DATABASE_URL: wrong, DATABASE_DIRECT_URL: database.url };

    expect(await messageOf({ DATABASE_URL: wrong })).toBe(
      `StartRefusedError: DATABASE_URL: ${because}`,
    );
    expect(await messageOf(direct)).toBe(`StartRefusedError: DATABASE_DIRECT_URL: ${because}`);
    expect(await messageOf(pooled)).toBe(`StartRefusedError: DATABASE_URL: ${because}`);
  });

  it('a database that does not exist (also in a command), or has no TLS', async () => {
    const missing = databaseWith((url) => {
      url.pathname = 'hush_hush';
    });
    const tls = databaseWith((url) => {
      url.searchParams.set('sslmode', 'verify-full');
    });

    const environment = { KEY_ENCRYPTION_KEY, DATABASE_URL: missing };
    const command = withOperatorContext(() => Promise.resolve(), {
      config: readAppConfig(environment),
    });
    await expect(command).rejects.toThrow('DATABASE_URL: the database that it names does not');
    expect(await messageOf({ DATABASE_URL: missing })).toBe(
      'StartRefusedError: DATABASE_URL: the database that it names does not exist: create it, or name another',
    );
    expect(await messageOf({ DATABASE_URL: tls })).toBe(
      'StartRefusedError: DATABASE_URL: asks for TLS, which the database does not offer',
    );
  });

  it('an address where it cannot listen', async () => {
    const taken = new URL(database.url).port;

    expect(await messageOf({ PORT: taken })).toBe(
      'StartRefusedError: PORT: another process listens on this port of HOST already',
    );
    expect(await messageOf({ HOST: '192.0.2.1' })).toBe(
      'StartRefusedError: HOST: is not an address of this machine',
    );
    expect(await messageOf({ HOST: 'no-such-host.invalid' })).toMatch(/^StartRefusedError: HOST: /);
  });

  it('a certificate that was removed after the settings were read', async () => {
    const settings = { TLS_CERT_FILE: '/nowhere/cert.pem', TLS_KEY_FILE: '/nowhere/key.pem' };
    expect(await messageOf(settings)).toMatch(/TLS_CERT_FILE: .*\n +TLS_KEY_FILE: .*no such file/);
  });
});
