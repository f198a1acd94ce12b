import { randomBytes } from 'node:crypto';
import { readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { killLeftoverProcesses } from '../../src/embedded-postgres/postmaster.js';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../src/embedded-postgres/embedded-postgres.js';
import {
  buildIssuer,
  createLicense,
  newDataDir,
  startChildIssuer,
  tokenOf,
  type ChildIssuer,
} from '../support/child-issuer.js';
import { eventually } from '../platform/service-process.js';

const REGISTERED = `REGISTERED${randomBytes(24).toString('base64url')}`;
const MULTI_LINE = `-----BEGIN LICENSE-----\r\n${randomBytes(1500).toString('base64')}\r\n-----END`;
const UNKNOWN = `UNKNOWN${randomBytes(24).toString('base64url')}`;
const WRONG_TOKEN = `WRONG${randomBytes(32).toString('base64url')}`;

/** Every place of the process, its database and its answers where a secret could turn up. */
const places = new Map<string, string>();
const secrets = new Map<string, string>();
/** The answers to refused requests. */
const refusals: string[] = [];

/** The log lines of the server that is killed again and again. */
const serverLines: string[] = [];

let dataDir: string;
let server: EmbeddedPostgres;
let issuer: ChildIssuer;
beforeAll(async () => {
  await buildIssuer();
  dataDir = await newDataDir();
  server = await startEmbeddedPostgres({ dataDir, log: (line) => serverLines.push(line) });
  issuer = await startChildIssuer(server.connectionString, {
    LOG_LEVEL: 'trace',
    DATABASE_TIMEOUT_MS: '1000',
  });
  await issuer.listening;
  const generated = await createLicense(issuer);
  await createLicense(issuer, REGISTERED);
  await createLicense(issuer, MULTI_LINE);
  const keys = { generated, REGISTERED, MULTI_LINE, UNKNOWN };
  for (const [name, key] of Object.entries(keys)) secrets.set(`license key ${name}`, key);

  for (const key of [generated, REGISTERED, `${MULTI_LINE}\r\n`]) {
    const token = await tokenOf(await issuer.sync(key));
    secrets.set(`token for ${key.slice(0, 12)}`, token);
    secrets.set(`signature for ${key.slice(0, 12)}`, token.split('.')[2] ?? '');
  }
  await misuse(REGISTERED);
  await misuse(UNKNOWN);
  const outage = keepKilling(1500);
  for (let n = 0; n < 10; n++) await sync({ licenseKey: REGISTERED });
  await refuse('POST', '/api/v1/licenses', newLicense({ license_key: UNKNOWN }));
  await outage;
  await recover();
  await collect();
}, 120_000);
afterAll(async () => {
  await issuer.remove();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const newLicense = (more: object) => ({
  ...{ plan: 'ultimate', kind: 'online_cloud', seats: 5 },
  ...{ starts_on: '2026-01-01', expires_on: '2099-01-01' },
  ...more,
});

/** A key wherever a confused client or admin may put it. */
async function misuse(key: string): Promise<void> {
  const url = encodeURIComponent(key);
  await sync({ licenseKey: UNKNOWN });
  await sync({ licenseKey: [key] });
  await sync({ licenseKey: { key } });
  await sync({ licenseKey: key, gitlabVersion: key });
  await sync({ licenseKey: key }, { 'x-gitlab-instance-id': key });
  await sync({ licenseKey: key }, {}, `{ cloudConnectorAccess(licenseKey: "${key}", nothing: 1) }`);
  await sync({ licenseKey: key }, {}, `query { cloudConnectorAccess("${key}`);
  await sync({ [key]: key }, {}, `query($a: ${key}) { cloudConnectorAccess }`);
  await refuse('POST', '/graphql', `{"query": "${key}`);
  await refuse('GET', `/graphql?query=${url}`);
  await refuse('POST', `/${url}`, { [key]: key });
  await refuse('GET', `/%zz${url}`);
  await refuse('POST', '/api/v1/licenses', newLicense({ license_key: REGISTERED }));
  await refuse('POST', '/api/v1/licenses', newLicense({ license_key: key, plan: key, seats: key }));
  await refuse('POST', '/api/v1/licenses', `{"license_key": "${key}", `);
  await refuse('GET', `/api/v1/licenses/${url}`);
  await refuse('GET', `/api/v1/licenses?cursor=${url}&per_page=${url}`);
  await refuse('GET', '/api/v1/licenses', undefined, `Bearer ${WRONG_TOKEN}`);
  await refuse('GET', '/api/v1/licenses', undefined, `Basic ${WRONG_TOKEN}`);
  await refuse('GET', `/api/v1/licenses?token=${WRONG_TOKEN}`, undefined, '');
}

async function sync(variables: object, headers: Record<string, string> = {}, query?: string) {
  const standard = `query($licenseKey: String!, $gitlabVersion: String!) {
    cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) { serviceToken { expiresAt } } }`;
  const all = { gitlabVersion: '18.5.0', ...variables };
  await refuse('POST', '/graphql', { query: query ?? standard, variables: all }, '', headers);
}

async function refuse(
  method: string,
  path: string,
  body?: unknown,
  authorization = `Bearer ${issuer.environment.BOOTSTRAP_ADMIN_TOKEN ?? ''}`,
  headers: Record<string, string> = {},
): Promise<void> {
  const response = await fetch(issuer.url + path, {
    method,
    headers: {
      ...(authorization === '' ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  refusals.push(`${await response.text()} ${JSON.stringify([...response.headers])}`);
}

async function keepKilling(duringMs: number): Promise<void> {
  const clusterDir = await realpath(join(dataDir, 'postgres'));
  for (const end = performance.now() + duringMs; performance.now() < end;) {
    killLeftoverProcesses(clusterDir);
    await sleep(50);
  }
}

/** A killed server first replays its log. How long that takes depends on the disk. */
async function recover(): Promise<void> {
  const attempt = async () =>
    secrets.set('the token after the outage', await tokenOf(await issuer.sync(REGISTERED)));
  await eventually(attempt, 60_000).catch((error: unknown) => {
    throw new Error(`the service did not recover:\n${serverLines.join('\n')}`, { cause: error });
  });
}

async function collect(): Promise<void> {
  const { KEY_ENCRYPTION_KEY = '', BOOTSTRAP_ADMIN_TOKEN = '' } = issuer.environment;
  secrets.set('the key-encryption key', KEY_ENCRYPTION_KEY);
  secrets.set('the admin token', BOOTSTRAP_ADMIN_TOKEN);
  secrets.set('a wrong admin token', WRONG_TOKEN);
  secrets.set('the database password', new URL(server.connectionString).password);
  places.set('the log', issuer.output.stdout + issuer.output.stderr);
  places.set('postgres.log', await readFile(join(dataDir, 'postgres.log'), 'utf8'));
  places.set(
    'published-keys.json',
    await readFile(join(issuer.dataDir, 'published-keys.json'), 'utf8'),
  );
  places.set('the refusals', refusals.join('\n'));
  const client = new Client({ connectionString: server.connectionString });
  await client.connect();
  const tables = await client.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  for (const { name } of tables.rows) {
    const { rows } = await client.query<Record<string, unknown>>(`SELECT * FROM ${name}`);
    const values = rows.flatMap((row) => Object.values(row));
    // Raw bytes: a value that was stored without sealing would be readable in them.
    const texts = values.map((value) =>
      Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value),
    );
    if (rows.length > 0) places.set(`table ${name}`, texts.join('\n'));
  }
  await client.end();
}

describe('no secret is found', () => {
  it.each([
    ...['the log', 'postgres.log', 'published-keys.json', 'the refusals'],
    ...['table licenses', 'table licenses_history', 'table signing_keys', 'table api_tokens'],
  ])('in %s, which is not empty', (place) => {
    expect(places.get(place)?.length).toBeGreaterThan(100);
  });

  it('in any log, table or error, in any spelling', () => {
    expect(secrets.size).toBeGreaterThan(12);
    const found: string[] = [];
    for (const [place, text] of places) {
      for (const [name, secret] of secrets) {
        for (const spelling of spellingsOf(secret)) {
          if (text.includes(spelling)) found.push(`${name} in ${place}: ${spelling.slice(0, 40)}`);
        }
      }
    }
    expect(found).toEqual([]);
  });

  it('of a signing key: neither PEM nor PKCS #8 nor the private members of a JWK', () => {
    // How every RSA private key begins in PKCS #8: its version and algorithm.
    const pkcs8 = Buffer.from('020100300d06092a864886f70d0101010500', 'hex');
    for (const [place, text] of places) {
      expect([place, text]).not.toEqual([
        place,
        expect.stringMatching(/PRIVATE KEY|"(d|p|q|dp|dq|qi)":"/),
      ]);
      expect([place, text.includes(pkcs8.toString('latin1'))]).toEqual([place, false]);
      expect([place, text.includes(pkcs8.toString('base64').slice(0, 20))]).toEqual([place, false]);
    }
  });

  it('although the log shows each event with its request id', () => {
    const log = places.get('the log') ?? '';
    expect(log.match(/"requestId"/g)?.length).toBeGreaterThan(50);
    expect(log).toContain('"status":503');
  });
});

/** As it is, each of its lines, and as a URL, JSON, hex or base64 would carry it. */
function spellingsOf(secret: string): Set<string> {
  const bytes = Buffer.from(secret);
  const lines = secret.split(/\r?\n/).filter((line) => line.length > 20);
  return new Set([
    ...(lines.length > 0 ? lines : [secret]),
    ...[encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)],
    ...[bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')],
  ]);
}
