import { ConfigFaultsError, readAppConfig } from './app-config.js';
import type { Environment } from './environment-reader.js';

const KEY = Buffer.alloc(32, 7);
const PREVIOUS_KEY = Buffer.alloc(32, 8);
const DATABASE_URL = 'postgres://issuer:secret@db.test:5432/issuer';
const TOKEN = 'a-bootstrap-token-of-32-letters!';

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

describe('the configuration', () => {
  it('needs no variable: all defaults are safe on one machine', () => {
    expect(readAppConfig({})).toEqual({
      host: '127.0.0.1',
      port: 3000,
      tls: null,
      trustedProxies: [],
      databaseUrl: null,
      databaseDirectUrl: null,
      databasePoolSize: 10,
      databaseTimeoutMs: 5000,
      dataDir: '.data',
      issuerUrl: 'http://localhost:3000',
      keyEncryptionKey: null,
      keyEncryptionKeyPrevious: null,
      pkcs11: null,
      bootstrapAdminToken: null,
      catalogDir: null,
      serviceTokenTtlSeconds: 259_200,
      notBeforeSkewSeconds: 5,
      enforceLicenseTypes: true,
      selfIssuedInstanceId: null,
      tokenStatusList: false,
      jwksCacheSeconds: 86_400,
      keysUnreadWarningSeconds: 43_200,
      signingKeyRotationDays: 90,
      ledgerRetentionDays: 400,
      logLevel: 'info',
      warnings: [],
    });
  });

  it('reads every variable', () => {
    const environment = {
      HOST: '0.0.0.0',
      PORT: '8443',
      TLS_CERT_FILE: '/tls/cert.pem',
      TLS_KEY_FILE: '/tls/key.pem',
      TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.1 ::1',
      DATABASE_URL,
      DATABASE_DIRECT_URL: 'postgresql://direct.test/issuer',
      DATABASE_POOL_SIZE: '30',
      DATABASE_TIMEOUT_MS: '2500',
      DATA_DIR: '/data',
      ISSUER_URL: 'https://issuer.test',
      KEY_ENCRYPTION_KEY: KEY.toString('base64'),
      KEY_ENCRYPTION_KEY_PREVIOUS: PREVIOUS_KEY.toString('base64'),
      PKCS11_MODULE: '/usr/lib/softhsm/libsofthsm2.so',
      PKCS11_TOKEN_LABEL: 'issuer',
      PKCS11_PIN: '4321',
      PKCS11_NEW_KEYS: 'false',
      BOOTSTRAP_ADMIN_TOKEN: TOKEN,
      CATALOG_DIR: '/catalog',
      SERVICE_TOKEN_TTL_SECONDS: '345600',
      NOT_BEFORE_SKEW_SECONDS: '0',
      ENFORCE_LICENSE_TYPES: 'false',
      SELF_ISSUED_INSTANCE_ID: 'EA8BF810-1D6F-4A6A-B4FD-93E8CBD8B57F',
      TOKEN_STATUS_LIST: 'true',
      JWKS_CACHE_SECONDS: '3600',
      KEYS_UNREAD_WARNING_SECONDS: '900',
      SIGNING_KEY_ROTATION_DAYS: '30',
      LEDGER_RETENTION_DAYS: '1',
      LOG_LEVEL: 'debug',
    };
    expect(readAppConfig(environment)).toEqual({
      host: '0.0.0.0',
      port: 8443,
      tls: { certFile: '/tls/cert.pem', keyFile: '/tls/key.pem' },
      trustedProxies: ['10.0.0.0/8', '192.0.2.1', '::1'],
      databaseUrl: DATABASE_URL,
      databaseDirectUrl: 'postgresql://direct.test/issuer',
      databasePoolSize: 30,
      databaseTimeoutMs: 2500,
      dataDir: '/data',
      issuerUrl: 'https://issuer.test',
      keyEncryptionKey: KEY,
      keyEncryptionKeyPrevious: PREVIOUS_KEY,
      pkcs11: {
        module: '/usr/lib/softhsm/libsofthsm2.so',
        tokenLabel: 'issuer',
        pin: '4321',
        makesNewKeys: false,
      },
      bootstrapAdminToken: TOKEN,
      catalogDir: '/catalog',
      serviceTokenTtlSeconds: 345_600,
      notBeforeSkewSeconds: 0,
      enforceLicenseTypes: false,
      selfIssuedInstanceId: 'EA8BF810-1D6F-4A6A-B4FD-93E8CBD8B57F',
      tokenStatusList: true,
      jwksCacheSeconds: 3600,
      keysUnreadWarningSeconds: 900,
      signingKeyRotationDays: 30,
      ledgerRetentionDays: 1,
      logLevel: 'debug',
      warnings: [],
    });
    const unset = Object.fromEntries(Object.keys(environment).map((name) => [name, '']));
    expect(readAppConfig(unset)).toEqual(readAppConfig({}));
  });

  it('reports all faults at once, without the value of a secret', () => {
    const environment = {
      PORT: 'http',
      TLS_CERT_FILE: '/tls/cert.pem',
      TRUSTED_PROXIES: 'proxy.test',
      DATABASE_URL: 'mysql://issuer:secret-password@db.test/issuer',
      DATABASE_DIRECT_URL: 'secret-direct-url',
      DATABASE_POOL_SIZE: '1',
      DATABASE_TIMEOUT_MS: '0.5',
      ISSUER_URL: 'https://issuer.test/path',
      KEY_ENCRYPTION_KEY: 'secret-key-of-a-wrong-length',
      KEY_ENCRYPTION_KEY_PREVIOUS: 'secret-key-just-as-wrong',
      BOOTSTRAP_ADMIN_TOKEN: 'secret-token',
      SERVICE_TOKEN_TTL_SECONDS: '60',
      NOT_BEFORE_SKEW_SECONDS: '-5',
      ENFORCE_LICENSE_TYPES: 'yes',
      JWKS_CACHE_SECONDS: '0',
      LOG_LEVEL: 'verbose',
    };
    const faults = faultsOf(environment);
    const named = faults.map((fault) => fault.split(':')[0]);
    const expected = Object.keys(environment).filter((name) => name !== 'TLS_CERT_FILE');
    expect(named.sort()).toEqual([...expected, 'TLS_KEY_FILE'].sort());
    const { message } = new ConfigFaultsError(faults);
    for (const fault of faults) expect(message).toContain(fault);
    expect(message).toContain('16 fault(s)');
    expect(message).not.toContain('secret');
  });

  it.each([
    ['PORT', 1, 65_535],
    ['DATABASE_POOL_SIZE', 2, 1000],
    ['DATABASE_TIMEOUT_MS', 100, 60_000],
    ['SERVICE_TOKEN_TTL_SECONDS', 3600, 604_800],
    ['NOT_BEFORE_SKEW_SECONDS', 0, 3600],
    ['JWKS_CACHE_SECONDS', 1, 604_800],
  ])('accepts for %s a whole number from %d to %d', (name, min, max) => {
    expect(faultsOf({ [name]: String(min) })).toEqual([]);
    expect(faultsOf({ [name]: String(max) })).toEqual([]);
    for (const text of [`${min - 1}`, `${max + 1}`, `${min}.5`, '1e3', '0x10', ' 500', 'many']) {
      expect(faultsOf({ [name]: text })).toEqual([
        `${name}: must be a whole number from ${min} to ${max}`,
      ]);
    }
  });

  it.each([
    ['172799', 1],
    ['172800', 1],
    ['172801', 0],
  ])('warns of a lifetime that makes instances sync hourly: %s s', (ttl, count) => {
    const { warnings } = readAppConfig({ SERVICE_TOKEN_TTL_SECONDS: ttl });
    expect(warnings).toHaveLength(count);
  });

  it.each([
    ['10.0.0.0/8, 0.0.0.0/0', 1],
    ['::/0 0.0.0.0/0', 2],
    ['::1/128 10.0.0.0/8', 0],
  ])('warns of proxies that are everybody: %s', (networks, count) => {
    const { warnings } = readAppConfig({ TRUSTED_PROXIES: networks });
    expect(warnings).toHaveLength(count);
  });

  it.each([
    ['86400', 43_200],
    ['43201', 43_200],
    ['43200', 21_600],
    ['3600', 1800],
    ['1', 1],
  ])('limits the time without reading keys below that of validators: %s s', (cache, standard) => {
    const { keysUnreadWarningSeconds } = readAppConfig({ JWKS_CACHE_SECONDS: cache });
    expect(keysUnreadWarningSeconds).toBe(standard);
  });

  it('refuses a limit for unread keys that is not shorter than validators keep keys', () => {
    const unread = (seconds: string) => ({
      JWKS_CACHE_SECONDS: '3600',
      KEYS_UNREAD_WARNING_SECONDS: seconds,
    });
    expect(faultsOf(unread('3599'))).toEqual([]);
    expect(faultsOf(unread('3600'))).toEqual([
      'KEYS_UNREAD_WARNING_SECONDS: must be below JWKS_CACHE_SECONDS, which is 3600',
    ]);
    expect(faultsOf(unread('0'))).toHaveLength(1);
  });

  it.each(['TRUE', '1', 'no', ' true'])('accepts %j neither as true nor as false', (text) => {
    expect(faultsOf({ ENFORCE_LICENSE_TYPES: text })).toEqual([
      'ENFORCE_LICENSE_TYPES: must be true or false',
    ]);
  });

  it('needs both files for TLS', () => {
    const [cert, key] = [{ TLS_CERT_FILE: '/cert' }, { TLS_KEY_FILE: '/key' }];
    expect(faultsOf(cert)).toEqual(['TLS_KEY_FILE: required together with TLS_CERT_FILE']);
    expect(faultsOf(key)).toEqual(['TLS_CERT_FILE: required together with TLS_KEY_FILE']);
    expect(faultsOf({ ...cert, ...key })).toEqual([]);
  });

  it.each(['127.0.0.1', '10.0.0.0/0', '10.0.0.0/32', '::1', 'fd00::/128', '10.0.0.1,,fd00::/8 '])(
    'trusts the proxies %s',
    (text) => {
      expect(faultsOf({ TRUSTED_PROXIES: text })).toEqual([]);
    },
  );

  it.each([
    'loopback',
    '*',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/1e1',
    '10.0.0.0/8/8',
    '10.0.0',
    '/8',
    '::10.0.0.1/96',
    'fe80::1%eth0.100',
  ])('refuses %s as a proxy', (text) => {
    expect(faultsOf({ TRUSTED_PROXIES: `192.0.2.1, ${text}` })).toEqual([
      `TRUSTED_PROXIES: "${text}" is not an IP address or a CIDR network`,
    ]);
  });
});
