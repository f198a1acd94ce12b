import { ConfigFaultsError, readAppConfig } from './app-config.js';
import type { Environment } from './environment-reader.js';

/** Which variables are wrong. */
function faultyIn(environment: Environment): string[] {
  try {
    readAppConfig(environment);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigFaultsError)) throw error;
    return error.faults.map((fault) => fault.split(':')[0] ?? '');
  }
}

describe('ISSUER_URL', () => {
  it('is localhost with the port of the listener when it is not set', () => {
    expect(readAppConfig({ PORT: '8080' }).issuerUrl).toBe('http://localhost:8080');
    expect(readAppConfig({ PORT: '8080', ISSUER_URL: '' }).issuerUrl).toBe('http://localhost:8080');
  });

  it.each([
    ['https://issuer.example.com', 'https://issuer.example.com'],
    ['https://issuer.example.com/', 'https://issuer.example.com'],
    ['https://issuer.example.com:8443', 'https://issuer.example.com:8443'],
    ['https://192.0.2.1', 'https://192.0.2.1'],
    ['http://localhost', 'http://localhost'],
    ['http://127.0.0.1:3000/', 'http://127.0.0.1:3000'],
    ['http://127.8.9.10', 'http://127.8.9.10'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
  ])('may be %s, which makes the issuer %s', (text, issuer) => {
    expect(readAppConfig({ ISSUER_URL: text }).issuerUrl).toBe(issuer);
  });

  it.each([
    ['a path', 'https://issuer.example.com/issuer'],
    ['two slashes', 'https://issuer.example.com//'],
    ['a query', 'https://issuer.example.com?a=1'],
    ['an empty query', 'https://issuer.example.com/?'],
    ['a fragment', 'https://issuer.example.com#a'],
    ['an empty fragment', 'https://issuer.example.com/#'],
    ['a user', 'https://user@issuer.example.com'],
    ['a user and a password', 'https://user:password@issuer.example.com'],
    ['upper case', 'https://Issuer.example.com'],
    ['an upper-case scheme', 'HTTPS://issuer.example.com'],
    ['the standard port', 'https://issuer.example.com:443'],
    ['white space', ' https://issuer.example.com'],
    ['a newline', 'https://issuer.example.com\n'],
    ['a short form of an address', 'https://127.1'],
    ['no scheme', 'issuer.example.com'],
    ['no host', 'https://'],
    ['a scheme without hosts', 'file:///issuer'],
    ['an URL in an URL', 'blob:https://issuer.example.com'],
  ])('may not have %s: %j', (_what, text) => {
    expect(faultyIn({ ISSUER_URL: text })).toEqual(['ISSUER_URL']);
  });

  it.each([
    'http://issuer.example.com',
    'http://10.0.0.1',
    'http://0.0.0.0',
    'http://localhost.example.com',
    'http://127.0.0.1.example.com',
    'http://[::2]',
    'ftp://issuer.example.com',
  ])('must be https, except on a loopback host: not %s', (text) => {
    expect(faultyIn({ ISSUER_URL: text })).toEqual(['ISSUER_URL']);
  });
});

describe.each(['DATABASE_URL', 'DATABASE_DIRECT_URL'])('%s', (name) => {
  const keyed = {
    KEY_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'),
    DATABASE_URL: 'postgres://db.test/issuer',
  };

  it.each([
    'postgres://user:password@db.test:5432/issuer',
    'postgresql://db.test/issuer?sslmode=require',
  ])('may be %s', (url) => {
    expect(faultyIn({ ...keyed, [name]: url })).toEqual([]);
  });

  it.each(['mysql://db.test/issuer', 'db.test', 'postgres', 'host=db.test dbname=issuer', ' '])(
    'may not be %j',
    (text) => {
      expect(faultyIn({ ...keyed, [name]: text })).toEqual([name]);
    },
  );
});

describe('DATABASE_DIRECT_URL', () => {
  it('cannot be set with the embedded Postgres', () => {
    const environment = { DATABASE_DIRECT_URL: 'postgres://db.test/issuer' };
    expect(faultyIn(environment)).toEqual(['DATABASE_DIRECT_URL']);
  });
});

describe('BOOTSTRAP_ADMIN_TOKEN', () => {
  it('has at least 32 characters', () => {
    expect(faultyIn({ BOOTSTRAP_ADMIN_TOKEN: 'x'.repeat(31) })).toEqual(['BOOTSTRAP_ADMIN_TOKEN']);
    const { bootstrapAdminToken } = readAppConfig({ BOOTSTRAP_ADMIN_TOKEN: 'x'.repeat(32) });
    expect(bootstrapAdminToken).toBe('x'.repeat(32));
  });

  it.each([
    ['a space', ' '],
    ['a newline', '\n'],
    ['a letter beyond ASCII', 'é'],
    ['a control character', '\x7f'],
  ])('may not have %s, because it is sent in a header', (_what, character) => {
    const token = `${'x'.repeat(32)}${character}`;
    expect(faultyIn({ BOOTSTRAP_ADMIN_TOKEN: token })).toEqual(['BOOTSTRAP_ADMIN_TOKEN']);
  });

  it('may use every printable character of ASCII', () => {
    const token = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join(
      '',
    );
    expect(faultyIn({ BOOTSTRAP_ADMIN_TOKEN: token })).toEqual([]);
  });
});

describe('LOG_LEVEL', () => {
  it.each(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])('may be %s', (level) => {
    expect(readAppConfig({ LOG_LEVEL: level }).logLevel).toBe(level);
  });

  it.each(['INFO', 'verbose', 'info '])('may not be %j', (level) => {
    expect(faultyIn({ LOG_LEVEL: level })).toEqual(['LOG_LEVEL']);
  });
});
