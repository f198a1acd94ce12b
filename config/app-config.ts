import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { MAX_TTL_SECONDS } from '../src/domain/service-token-claims.js';
import { isUuid } from '../src/domain/uuid.js';
import { readDatabaseUrl } from './database-url.js';
import { type Environment, EnvironmentReader } from './environment-reader.js';
import { checkFolder } from './read-file.js';
import {
  type KeyEncryptionKeys,
  type HsmConfig,
  readBootstrapAdminToken,
  readKeyEncryptionKeys,
  readHsm,
} from './read-secrets.js';
import { readTlsFiles } from './tls-files.js';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** Instances ask for a new token when the old one has less than this left. */
const INSTANCE_REFRESH_SECONDS = 172_800;
const KEYS_UNREAD_SECONDS = 43_200;

/** Everything that an operator can set. docs/configuration.md explains each variable. */
export interface AppConfig extends KeyEncryptionKeys {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly trustedProxies: readonly string[];
  /** Null: the embedded Postgres. */
  readonly databaseUrl: string | null;
  /** For migrations and notifications, past a pooler. Null: `databaseUrl`. */
  readonly databaseDirectUrl: string | null;
  readonly databasePoolSize: number;
  readonly databaseTimeoutMs: number;
  readonly dataDir: string;
  /** An origin without a trailing slash: the `iss` of every token. */
  readonly issuerUrl: string;
  /** The HSM that makes signing keys; null: this process makes them, and the database keeps them. */
  readonly pkcs11: HsmConfig | null;
  readonly bootstrapAdminToken: string | null;
  readonly catalogDir: string | null;
  readonly serviceTokenTtlSeconds: number;
  readonly notBeforeSkewSeconds: number;
  readonly enforceLicenseTypes: boolean;
  /** The platform's own instance UUID; null: no self-issued tokens. */
  readonly selfIssuedInstanceId: string | null;
  readonly tokenStatusList: boolean;
  readonly jwksCacheSeconds: number;
  /** How long a replica may be unable to read the keys before readiness and metrics say so. */
  readonly keysUnreadWarningSeconds: number;
  readonly signingKeyRotationDays: number;
  /** How long after its expiry a token stays in the ledger. */
  readonly ledgerRetentionDays: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Settings that are allowed but probably a mistake. */
  readonly warnings: readonly string[];
}

/** All faults of the environment in one message, so that an operator can correct them together. */
export class ConfigFaultsError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(`The configuration has ${faults.length} fault(s):\n${faults.map((f) => `  ${f}`).join('\n')}
Correct these variables and start again; docs/configuration.md lists all of them.`);
    this.name = 'ConfigFaultsError';
  }
}

/** @throws {ConfigFaultsError} with all faults; its text has no value of a secret. */
export function readAppConfig(environment: Environment = process.env): AppConfig {
  return readWith(environment, () => undefined);
}

/** The same for the service, which also needs a valid certificate. Commands do not. */
export function readServerConfig(environment: Environment = process.env): AppConfig {
  return readWith(environment, ({ tls }, faults) => {
    if (tls) readTlsFiles(tls, faults);
  });
}

function readWith(
  environment: Environment,
  check: (config: AppConfig, faults: string[]) => void,
): AppConfig {
  const reader = new EnvironmentReader(environment);
  const port = reader.integer('PORT', 3000, 1, 65_535);
  const databaseUrl = readDatabaseUrl(reader, 'DATABASE_URL');
  const serviceTokenTtlSeconds = reader.integer(
    'SERVICE_TOKEN_TTL_SECONDS',
    259_200,
    3600,
    MAX_TTL_SECONDS,
  );
  const trustedProxies = readTrustedProxies(reader);
  const jwksCacheSeconds = reader.integer('JWKS_CACHE_SECONDS', 86_400, 1, 604_800);
  const config: AppConfig = {
    host: reader.text('HOST') ?? '127.0.0.1',
    port,
    tls: readTls(reader),
    trustedProxies,
    databaseUrl,
    databaseDirectUrl: readDatabaseUrl(reader, 'DATABASE_DIRECT_URL'),
    databasePoolSize: reader.integer('DATABASE_POOL_SIZE', 10, 2, 1000),
    databaseTimeoutMs: reader.integer('DATABASE_TIMEOUT_MS', 5000, 100, 60_000),
    dataDir: reader.text('DATA_DIR') ?? '.data',
    issuerUrl: readIssuerUrl(reader, port),
    ...readKeyEncryptionKeys(reader, databaseUrl === null),
    pkcs11: readHsm(reader),
    bootstrapAdminToken: readBootstrapAdminToken(reader),
    catalogDir: reader.text('CATALOG_DIR'),
    serviceTokenTtlSeconds,
    notBeforeSkewSeconds: reader.integer('NOT_BEFORE_SKEW_SECONDS', 5, 0, 3600),
    enforceLicenseTypes: reader.boolean('ENFORCE_LICENSE_TYPES', true),
    selfIssuedInstanceId: readUuid(reader, 'SELF_ISSUED_INSTANCE_ID'),
    tokenStatusList: reader.boolean('TOKEN_STATUS_LIST', false),
    jwksCacheSeconds,
    keysUnreadWarningSeconds: readKeysUnreadWarning(reader, jwksCacheSeconds),
    signingKeyRotationDays: reader.integer('SIGNING_KEY_ROTATION_DAYS', 90, 1, 3650),
    ledgerRetentionDays: reader.integer('LEDGER_RETENTION_DAYS', 400, 1, 3650),
    logLevel: reader.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    warnings: [...ttlWarnings(serviceTokenTtlSeconds), ...proxyWarnings(trustedProxies)],
  };
  if (config.databaseDirectUrl !== null && databaseUrl === null) {
    reader.faults.push('DATABASE_DIRECT_URL: can only be set together with DATABASE_URL');
  }
  checkFolder('DATA_DIR', config.dataDir, reader.faults);
  check(config, reader.faults);
  if (reader.faults.length > 0) throw new ConfigFaultsError(reader.faults);
  return config;
}

function ttlWarnings(ttlSeconds: number): string[] {
  if (ttlSeconds > INSTANCE_REFRESH_SECONDS) return [];
  return [
    `SERVICE_TOKEN_TTL_SECONDS is ${ttlSeconds}: instances refresh a token that has less than ` +
      `${INSTANCE_REFRESH_SECONDS} seconds left, so every instance will sync every hour`,
  ];
}

/** Shorter than validators keep keys: after that they may refuse tokens of a newer key. */
function readKeysUnreadWarning(reader: EnvironmentReader, jwksCacheSeconds: number): number {
  const name = 'KEYS_UNREAD_WARNING_SECONDS';
  const half = Math.max(1, Math.floor(jwksCacheSeconds / 2));
  const standard = jwksCacheSeconds > KEYS_UNREAD_SECONDS ? KEYS_UNREAD_SECONDS : half;
  const value = reader.integer(name, standard, 1, 604_799);
  if (reader.text(name) !== null && value >= jwksCacheSeconds) {
    reader.faults.push(`${name}: must be below JWKS_CACHE_SECONDS, which is ${jwksCacheSeconds}`);
  }
  return value;
}

function readTls(reader: EnvironmentReader): AppConfig['tls'] {
  const certFile = reader.text('TLS_CERT_FILE');
  const keyFile = reader.text('TLS_KEY_FILE');
  if (certFile !== null && keyFile !== null) return { certFile, keyFile };
  if (certFile !== null) reader.faults.push('TLS_KEY_FILE: required together with TLS_CERT_FILE');
  if (keyFile !== null) reader.faults.push('TLS_CERT_FILE: required together with TLS_KEY_FILE');
  return null;
}

function readTrustedProxies(reader: EnvironmentReader): string[] {
  const networks = (reader.text('TRUSTED_PROXIES') ?? '').split(/[\s,]+/).filter(Boolean);
  for (const network of networks) {
    if (!isNetwork(network)) {
      reader.faults.push(`TRUSTED_PROXIES: "${network}" is not an IP address or a CIDR network`);
    }
  }
  return networks;
}

function proxyWarnings(networks: readonly string[]): string[] {
  return networks
    .filter((network) => /\/0+$/.test(network))
    .map(
      (network) =>
        `TRUSTED_PROXIES: ${network} trusts everybody, so every client can choose the address that counts for it`,
    );
}

function isNetwork(text: string): boolean {
  const [address = ''] = text.split('/');
  // ipaddr.js alone would take `10.1` for an address, and the obsolete `::10.0.0.1` for an IPv4 one. It does not
  // know every zone that Node takes.
  if (isIP(address) === 0 || /^::\d+\./.test(address) || !ipaddr.isValid(address)) return false;
  return address === text || ipaddr.isValidCIDR(text);
}

function readUuid(reader: EnvironmentReader, name: string): string | null {
  const text = reader.text(name);
  if (text !== null && !isUuid(text)) reader.faults.push(`${name}: must be a UUID`);
  return text;
}

function readIssuerUrl(reader: EnvironmentReader, port: number): string {
  const text = reader.text('ISSUER_URL') ?? `http://localhost:${port}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  const plainOrigin =
    url !== null && (text === url.origin || text === `${url.origin}/`) && url.host !== '';
  if (url === null || !plainOrigin) {
    reader.faults.push(
      'ISSUER_URL: must be an origin like https://issuer.example.com, in lower case, without a ' +
        'standard port, path, query or fragment',
    );
    return text;
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    reader.faults.push('ISSUER_URL: must be https, except on a loopback host');
  }
  return url.origin;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
