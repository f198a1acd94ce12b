import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigFaultsError, readAppConfig } from './app-config.js';
import type { Environment } from './environment-reader.js';

const KEY = Buffer.alloc(32, 7);
const PREVIOUS_KEY = Buffer.alloc(32, 8);
const DATABASE_URL = 'postgres://issuer:secret@db.test:5432/issuer';

/** What is wrong with `environment`, one line a fault. */
function faultsOf(environment: Environment): readonly string[] {
  try {
    readAppConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigFaultsError) return error.faults;
    throw error;
  }
}

describe('the key-encryption key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'app-config-'));
  const file = join(folder, 'key');
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('is required with a database of the operator', () => {
    expect(faultsOf({ DATABASE_URL })).toEqual([expect.stringMatching(/^KEY_ENCRYPTION_KEY: req/)]);
  });

  it('may be in a file that ends with a newline', () => {
    writeFileSync(file, `${KEY.toString('base64')}\n`);
    const environment = { DATABASE_URL, KEY_ENCRYPTION_KEY_FILE: file };
    expect(readAppConfig(environment).keyEncryptionKey).toEqual(KEY);
    const both = { ...environment, KEY_ENCRYPTION_KEY: KEY.toString('base64') };
    expect(faultsOf(both)).toEqual([
      'KEY_ENCRYPTION_KEY: set either it or KEY_ENCRYPTION_KEY_FILE, not both',
    ]);
    expect(readAppConfig({ ...both, KEY_ENCRYPTION_KEY: '' }).keyEncryptionKey).toEqual(KEY);
  });

  it('is a fault when its file cannot be read or has no key', () => {
    expect(faultsOf({ KEY_ENCRYPTION_KEY_FILE: join(folder, 'none') })).toEqual([
      'KEY_ENCRYPTION_KEY_FILE: the file cannot be read: there is no such file',
    ]);
    expect(faultsOf({ KEY_ENCRYPTION_KEY_FILE: folder })).toEqual([
      'KEY_ENCRYPTION_KEY_FILE: the file cannot be read: it is a folder',
    ]);
    writeFileSync(file, '\n');
    expect(faultsOf({ DATABASE_URL, KEY_ENCRYPTION_KEY_FILE: file })).toEqual([
      'KEY_ENCRYPTION_KEY_FILE: the file is empty',
    ]);
    writeFileSync(file, 'secret-text');
    expect(faultsOf({ KEY_ENCRYPTION_KEY_FILE: file })).toEqual([
      'KEY_ENCRYPTION_KEY: must be 32 bytes in base64',
    ]);
  });

  it.each([
    ['31 bytes', Buffer.alloc(31).toString('base64')],
    ['33 bytes', Buffer.alloc(33).toString('base64')],
    ['hex', KEY.toString('hex')],
    ['something after it', `${KEY.toString('base64')}!`],
  ])('is refused as %s', (_what, text) => {
    expect(faultsOf({ KEY_ENCRYPTION_KEY: text })).toEqual([
      'KEY_ENCRYPTION_KEY: must be 32 bytes in base64',
    ]);
  });
});

describe('the previous key-encryption key', () => {
  const KEY_ENCRYPTION_KEY = KEY.toString('base64');
  const KEY_ENCRYPTION_KEY_PREVIOUS = PREVIOUS_KEY.toString('base64');

  it('is set together with the new one, in a variable or in a file', () => {
    const both = { DATABASE_URL, KEY_ENCRYPTION_KEY, KEY_ENCRYPTION_KEY_PREVIOUS };
    const expected = { keyEncryptionKey: KEY, keyEncryptionKeyPrevious: PREVIOUS_KEY };
    expect(readAppConfig(both)).toMatchObject(expected);
    expect(readAppConfig({ ...both, DATABASE_URL: '' })).toMatchObject(expected);

    const folder = mkdtempSync(join(tmpdir(), 'app-config-'));
    const file = join(folder, 'previous');
    writeFileSync(file, `${KEY_ENCRYPTION_KEY_PREVIOUS}\n`);
    const inFile = { KEY_ENCRYPTION_KEY_PREVIOUS: '', KEY_ENCRYPTION_KEY_PREVIOUS_FILE: file };
    expect(readAppConfig({ ...both, ...inFile })).toMatchObject(expected);
    rmSync(folder, { recursive: true });
  });

  it('must differ from the new one', () => {
    const same = { KEY_ENCRYPTION_KEY, KEY_ENCRYPTION_KEY_PREVIOUS: KEY_ENCRYPTION_KEY };
    expect(faultsOf(same)).toEqual([
      'KEY_ENCRYPTION_KEY_PREVIOUS: must differ from KEY_ENCRYPTION_KEY',
    ]);
  });

  it('requires the new one, which is not generated then', () => {
    expect(faultsOf({ KEY_ENCRYPTION_KEY_PREVIOUS })).toEqual([
      'KEY_ENCRYPTION_KEY: required together with KEY_ENCRYPTION_KEY_PREVIOUS, also with the embedded Postgres',
    ]);
    expect(faultsOf({ DATABASE_URL, KEY_ENCRYPTION_KEY_PREVIOUS })).toEqual([
      expect.stringMatching(/^KEY_ENCRYPTION_KEY: required with DATABASE_URL/),
    ]);
  });
});

describe('the HSM', () => {
  const PKCS11 = {
    PKCS11_MODULE: '/usr/lib/libtoken.so',
    PKCS11_TOKEN_LABEL: 'issuer',
    PKCS11_PIN: 'secret-pin',
  };
  const NAMES = Object.keys(PKCS11);

  it('is not used unless all its variables are set', () => {
    expect(readAppConfig({}).pkcs11).toBeNull();
    expect(readAppConfig(PKCS11).pkcs11).toEqual({
      module: '/usr/lib/libtoken.so',
      tokenLabel: 'issuer',
      pin: 'secret-pin',
      makesNewKeys: true,
    });
    const back = { ...PKCS11, PKCS11_NEW_KEYS: 'false' };
    expect(readAppConfig(back).pkcs11?.makesNewKeys).toBe(false);
  });

  it.each(NAMES)('is a fault with only %s set: each missing variable is named', (name) => {
    const faults = faultsOf({ [name]: PKCS11[name as keyof typeof PKCS11] });
    expect(faults).toEqual(
      NAMES.filter((other) => other !== name).map(
        (other) => `${other}: required together with ${name}`,
      ),
    );
    expect(faults.join()).not.toContain('secret-pin');
  });

  it('may have its PIN in a file that is not empty', () => {
    const folder = mkdtempSync(join(tmpdir(), 'app-config-'));
    const file = join(folder, 'pin');
    const inFile = { ...PKCS11, PKCS11_PIN: '', PKCS11_PIN_FILE: file };
    writeFileSync(file, '1234\n');
    expect(readAppConfig(inFile).pkcs11?.pin).toBe('1234');
    writeFileSync(file, '\n');
    expect(faultsOf(inFile)).toEqual(['PKCS11_PIN_FILE: the file is empty']);
    rmSync(folder, { recursive: true });
  });
});
