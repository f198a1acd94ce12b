import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificate } from '../test/support/self-signed-certificate.js';
import { ConfigFaultsError, readAppConfig, readServerConfig } from './app-config.js';
import type { Environment } from './environment-reader.js';

let folder: string;
let files: Record<'cert' | 'key' | 'otherKey' | 'encrypted' | 'junk' | 'missing', string>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-files-'));
  const { cert, key } = selfSignedCertificate();
  const write = (name: string, content: string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  files = {
    cert: write('cert.pem', cert),
    key: write('key.pem', key),
    otherKey: write('other-key.pem', selfSignedCertificate().key),
    encrypted: write('encrypted.pem', '-----BEGIN ENCRYPTED PRIVATE KEY-----\n'),
    junk: write('junk.pem', 'secret-junk\n'),
    missing: join(folder, 'missing.pem'),
  };
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function faultsOf(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigFaultsError)) throw error;
    expect(error.message).not.toContain(folder);
    expect(error.message).not.toContain('secret');
    return error.faults;
  }
}

describe('the certificate of the listener', () => {
  const faultsWith = (cert: keyof typeof files, key: keyof typeof files) =>
    faultsOf(() => readServerConfig({ TLS_CERT_FILE: files[cert], TLS_KEY_FILE: files[key] }));

  it('is read together with its key', () => {
    expect(faultsWith('cert', 'key')).toEqual([]);
  });

  it('is not read by a command', () => {
    const environment = { TLS_CERT_FILE: files.missing, TLS_KEY_FILE: files.missing };
    expect(faultsOf(() => readAppConfig(environment))).toEqual([]);
  });

  it('is refused with its setting and the reason when a file cannot be used', () => {
    expect(faultsWith('missing', 'missing')).toEqual([
      'TLS_CERT_FILE: the file cannot be read: there is no such file',
      'TLS_KEY_FILE: the file cannot be read: there is no such file',
    ]);
    expect(faultsWith('junk', 'junk')).toEqual([
      'TLS_CERT_FILE: the file has no PEM certificate',
      'TLS_KEY_FILE: the file has no PEM private key',
    ]);
    expect(faultsWith('cert', 'encrypted')).toEqual([
      'TLS_KEY_FILE: the key is encrypted: use one without a passphrase',
    ]);
    expect(faultsWith('cert', 'otherKey')).toEqual([
      'TLS_KEY_FILE: is not the key of the certificate in TLS_CERT_FILE',
    ]);
  });
});

describe.each(['DATABASE_URL', 'DATABASE_DIRECT_URL'])('%s', (name) => {
  const faultsWith = (text: string) => {
    const environment: Environment = {
      KEY_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'),
      DATABASE_URL: 'postgres://db.test/issuer',
      [name]: text,
    };
    return faultsOf(() => readAppConfig(environment));
  };
  const withFiles = (parameters: Readonly<Record<string, string>>) =>
    faultsWith(`postgres://db.test/issuer?${new URLSearchParams(parameters).toString()}`);

  it('may name a certificate of the server and one of the client', () => {
    const { cert, key } = files;
    expect(withFiles({ sslmode: 'verify-full', sslrootcert: cert })).toEqual([]);
    expect(withFiles({ sslrootcert: cert, sslcert: cert, sslkey: key })).toEqual([]);
  });

  it('names the parameter whose file cannot be used, and why', () => {
    const { missing, junk } = files;
    const unreadable = 'the file cannot be read: there is no such file';
    expect(withFiles({ sslrootcert: missing })).toEqual([`${name}, sslrootcert: ${unreadable}`]);
    expect(withFiles({ sslrootcert: junk })).toEqual([
      `${name}, sslrootcert: the file has no PEM certificate`,
    ]);
    expect(withFiles({ sslcert: missing, sslkey: junk })).toEqual([
      `${name}, sslcert: ${unreadable}`,
      `${name}, sslkey: the file has no PEM private key`,
    ]);
    expect(withFiles({ sslcert: files.cert, sslkey: files.otherKey })).toEqual([
      `${name}, sslkey: is not the key of the certificate in sslcert`,
    ]);
  });

  it.each([
    'postgres://user:secret%zz@db.test/issuer',
    'postgres://user:100%@db.test/issuer',
    'postgres://user@db.test/secret%',
  ])('names the wrong character of %s without quoting it', (text) => {
    expect(faultsWith(text)).toEqual([expect.stringMatching(/^DATABASE_(DIRECT_)?URL: has a % /)]);
  });

  it('is refused when the driver does not accept it', () => {
    expect(withFiles({ uselibpqcompat: 'true', sslmode: 'verify-ca' })).toEqual([
      `${name}: has parameters that cannot be used together`,
    ]);
  });
});

describe('DATA_DIR', () => {
  it('must not be a file; a missing folder is made at the start', () => {
    expect(faultsOf(() => readAppConfig({ DATA_DIR: files.junk }))).toEqual([
      'DATA_DIR: must be a folder, but is a file',
    ]);
    expect(faultsOf(() => readAppConfig({ DATA_DIR: files.missing }))).toEqual([]);
    expect(faultsOf(() => readAppConfig({ DATA_DIR: folder }))).toEqual([]);
  });
});
