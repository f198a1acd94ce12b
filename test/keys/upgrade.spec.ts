import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import { uuidV7 } from '../../src/domain/uuid-v7.js';
import type { Finding } from '../../src/ledger-audit/finding.js';
import { LedgerAuditor } from '../../src/ledger-audit/ledger-auditor.js';
import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { licenseKeyDigest } from '../../src/licenses/license-key.js';
import { Sealing } from '../../src/sealing/sealing.js';
import { generateSigningKey } from '../../src/signing-keys/signing-key.js';
import { insert, instanceRow, licenseRow, purchaseRow, tokenRow } from '../persistence/rows.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, keyIn, publishedKids, timeline } from './key-set.js';

/** The schema of the version that had no rotation ends here. */
const LAST_MIGRATION = 'CreateIssuedTokens1764000005000';
const PUBLISHED = new Date('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LICENSE_KEY = 'a-license-key-of-the-older-version-0001';

type Row = Record<string, unknown>;

interface Issued {
  readonly claims: JWTPayload;
  readonly row: Row;
}

let database: TestDatabase;
let pool: Pool;
let issuer: TestIssuer | null;
let clock: FakeClock;
const keyEncryptionKey = randomBytes(32);
const instanceId = randomUUID();

beforeEach(async () => {
  issuer = null;
  clock = new FakeClock(new Date(PUBLISHED.getTime() + 30 * DAY));
  database = await createTestDatabase({ template: 'template0' });
  pool = new Pool({ connectionString: database.url });
  const config = { databaseUrl: database.url, databasePoolSize: 4, databaseTimeoutMs: 5000 };
  const options = dataSourceOptions(config);
  const all = options.migrations as (new () => { name: string })[];
  const last = all.findIndex((Migration) => new Migration().name === LAST_MIGRATION);
  const older = await new DataSource({
    ...options,
    migrations: all.slice(0, last + 1),
  }).initialize();
  await older.runMigrations();
  await older.destroy();
});
afterEach(async () => {
  await pool.end();
  await (issuer ? issuer.stop() : database.drop());
});

async function addKey(phase: 'current' | 'next'): Promise<string> {
  const key = await generateSigningKey();
  await insert(pool, 'signing_keys', {
    kid: key.kid,
    phase,
    public_jwk: key.publicJwk,
    sealed_private_key: new Sealing(keyEncryptionKey).seal(
      key.privateKey,
      `signing_keys:${key.kid}`,
    ),
    published_at: PUBLISHED,
    signs_from: phase === 'current' ? PUBLISHED : null,
  });
  return key.kid;
}

/** A license with a purchase and an instance whose token lives for another three days. */
async function addToken(kid: string): Promise<Date> {
  const license = licenseRow({
    key_digest: licenseKeyDigest(LICENSE_KEY),
    expires_on: '2030-01-01',
  });
  const instance = { ...instanceRow(license.id), instance_id: instanceId };
  const [scopeSetDigest, catalogDigest] = [randomBytes(32), randomBytes(32)];
  await insert(pool, 'licenses', license);
  await insert(
    pool,
    'add_on_purchases',
    purchaseRow(license.id, { add_on: 'duo_enterprise', expires_on: '2030-01-01' }),
  );
  await insert(pool, 'instances', instance);
  await insert(pool, 'scope_sets', { digest: scopeSetDigest, scopes: ['a'], audiences: ['b'] });
  const snapshot = { document: {}, first_in_force_at: PUBLISHED };
  await insert(pool, 'catalog_snapshots', { digest: catalogDigest, ...snapshot });
  const issuedAt = clock.now();
  await pool.query('SELECT create_issued_tokens_partition($1)', [issuedAt.toISOString()]);
  const expiresAt = new Date(issuedAt.getTime() + 3 * DAY);
  const of = { licenseId: license.id, instanceId: instance.id, kid, scopeSetDigest, catalogDigest };
  await insert(pool, 'issued_tokens', tokenRow(of, issuedAt, { expires_at: expiresAt }));
  return expiresAt;
}

async function upgrade(): Promise<TestIssuer> {
  const environment = { KEY_ENCRYPTION_KEY: keyEncryptionKey.toString('base64') };
  issuer = await startTestIssuer({ clock, database, environment });
  return issuer;
}

/** A sync whose token a validator accepts that fetches the keys now. @returns its kid */
async function syncs(upgraded: TestIssuer): Promise<string | undefined> {
  const gitlab = new GitlabInstance(upgraded.url, { licenseKey: LICENSE_KEY, instanceId });
  const { token } = await gitlab.serviceToken();
  const validator = new BackendValidator(upgraded.url, 'gitlab-ai-gateway', () => clock.now());
  expect(await validator.judge(backendHeaders(token, instanceId))).toMatchObject({
    accepted: true,
  });
  return decodeProtectedHeader(token).kid;
}

/** A token of the upgraded service, and its row. */
async function issue(upgraded: TestIssuer, licenseKey: string): Promise<Issued> {
  const gitlab = new GitlabInstance(upgraded.url, { licenseKey, instanceId });
  const claims = decodeJwt((await gitlab.serviceToken()).token);
  const { rows } = await pool.query<Row>('SELECT * FROM issued_tokens WHERE jti = $1', [
    claims.jti,
  ]);
  return { claims, row: rows[0] ?? {} };
}

/** As a replica of that version would have recorded the same token. @returns its jti */
async function recordWithoutBatch({ claims, row }: Issued, changes: Row = {}): Promise<string> {
  const jti = uuidV7(new Date(String(row.issued_at)), randomBytes(10));
  const claims_digest = createHash('sha256')
    .update(JSON.stringify({ ...claims, jti }))
    .digest();
  const without = { chain_id: null, batch_number: null };
  await insert(pool, 'issued_tokens', { ...row, jti, claims_digest, ...without, ...changes });
  return jti;
}

describe('an upgrade from the version that did not rotate', () => {
  it('goes on with its keys, knows until when their tokens live, and rotates them on schedule', async () => {
    const [current, next] = [await addKey('current'), await addKey('next')];
    const expiresAt = await addToken(current);
    const upgraded = await upgrade();
    expect(await syncs(upgraded)).toBe(current);
    const expireBy = Date.parse((await keyIn(upgraded, 'current')).tokens_expire_by ?? '');
    expect(expireBy).toBeGreaterThanOrEqual(expiresAt.getTime());

    clock.set(new Date(PUBLISHED.getTime() + 90 * DAY));
    expect(await keepKeys(upgraded)).toEqual(['switch']);
    expect(await syncs(upgraded)).toBe(next);
    expect(await publishedKids(upgraded)).toContain(current);
  });

  it('publishes the standby that an older version did not have, and signs on a day later (Vault 13223)', async () => {
    const current = await addKey('current');
    await addToken(current);
    const upgraded = await upgrade();
    const standby = await keyIn(upgraded, 'next');
    expect(standby.published_at).toBe(clock.now().toISOString());
    clock.advance(25 * HOUR);
    await keepKeys(upgraded);
    expect(await syncs(upgraded)).toBe(current);
    clock.set(new Date(PUBLISHED.getTime() + 91 * DAY));
    expect(await keepKeys(upgraded)).toEqual(['switch']);
    expect(await syncs(upgraded)).toBe(standby.kid);
    clock.advance(25 * HOUR);
    await keepKeys(upgraded);
    expect(await syncs(upgraded)).toBe(standby.kid);
  });

  it('knows what replicas of that version still record for an hour, and nothing else without a batch', async () => {
    await addKey('next');
    await addKey('current');
    const upgraded = await upgrade();
    const { licenseKey } = await registerPaidLicense(upgraded, { expires_on: '2030-01-01' });
    await issue(upgraded, licenseKey);
    await upgraded.running.app.get(LedgerCheckpoints).write();
    // A checkpoint says in whole seconds when it was made.
    const end = Math.floor(clock.now().getTime() / 1000) * 1000 + HOUR;
    clock.set(new Date(end - 1));
    const before = await issue(upgraded, licenseKey);
    clock.set(new Date(end));
    const after = await issue(upgraded, licenseKey);
    const longer = { expires_at: new Date(Date.parse(String(before.row.expires_at)) + 1000) };
    const jtis = {
      before: await recordWithoutBatch(before),
      after: await recordWithoutBatch(after),
      longer: await recordWithoutBatch(before, longer),
      other: await recordWithoutBatch(before, { claims_digest: randomBytes(32) }),
      listed: await recordWithoutBatch(before, { status_index: 7 }),
    };
    clock.advance(HOUR);
    const found: Finding[] = [];
    const { unchained } = await upgraded.running.app
      .get(LedgerAuditor)
      .audit({}, (finding) => found.push(finding));
    const codesOf = (jti: string) =>
      found.filter((one) => one.jti === jti).map(({ finding }) => finding);
    expect(Object.entries(jtis).map(([name, jti]) => [name, ...codesOf(jti)])).toEqual([
      ['before'],
      ['after', 'NO_BATCH'],
      ['longer', 'EXPIRES_TOO_LATE'],
      ['other', 'CLAIMS_DIFFER'],
      ['listed', 'NO_BATCH'],
    ]);
    expect(unchained).toBe(3);
  });

  it('does not pile up keys, however often it is started (SPIRE 4429)', async () => {
    await addKey('current');
    await addKey('next');
    for (let starts = 0; starts < 4; starts += 1) {
      const replica = await startTestIssuer({
        clock,
        database: { ...database, drop: () => Promise.resolve() },
        environment: { KEY_ENCRYPTION_KEY: keyEncryptionKey.toString('base64') },
      });
      expect(await timeline(replica)).toHaveLength(2);
      await replica.stop();
    }
  });
});
