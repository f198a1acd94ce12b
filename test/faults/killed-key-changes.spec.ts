import { randomBytes, randomUUID } from 'node:crypto';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import { Pool } from 'pg';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  startChildIssuer,
  tokenOf,
} from '../support/child-issuer.js';
import { someOf } from '../support/proofs.js';
import { installStopPoint, type StopPointOptions } from '../support/stop-point.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** Validators that keep keys for a second: what happens over days is then a matter of seconds. */
const environment = {
  KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  BOOTSTRAP_ADMIN_TOKEN: randomBytes(32).toString('base64url'),
  JWKS_CACHE_SECONDS: '1',
  SIGNING_KEY_ROTATION_DAYS: '1',
};
const KEYS = 'signing_keys';
const SWITCH: readonly (readonly [string, StopPointOptions])[] = [
  [
    'the old key is retired',
    {
      table: KEYS,
      event: 'BEFORE UPDATE',
      when: `NEW.phase = 'retired' AND OLD.phase = 'current'`,
    },
  ],
  [
    'the standby is promoted',
    { table: KEYS, event: 'BEFORE UPDATE', when: `NEW.phase = 'current' AND OLD.phase = 'next'` },
  ],
  [
    'another standby is published',
    { table: KEYS, event: 'BEFORE INSERT', when: `NEW.phase = 'next'` },
  ],
  [
    'the switch is committed',
    { table: KEYS, event: 'AFTER INSERT', when: `NEW.phase = 'next'`, atCommit: true },
  ],
];
const FORGET: readonly (readonly [string, StopPointOptions])[] = [
  [
    'the key is forgotten',
    { table: KEYS, event: 'BEFORE UPDATE', when: 'NEW.unpublished_at IS NOT NULL' },
  ],
  [
    'the forgetting is committed',
    { table: KEYS, event: 'AFTER UPDATE', when: 'NEW.unpublished_at IS NOT NULL', atCommit: true },
  ],
];

jest.setTimeout(120_000);

let database: TestDatabase;
let pool: Pool;
let issuer: ChildIssuer;
let licenseKey: string;
/** Each kill meets what the one before it left. */
beforeAll(async () => {
  await buildIssuer();
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.url });
  pool.on('error', () => undefined);
  issuer = await startChildIssuer(database.url, environment);
  await issuer.listening;
  licenseKey = await createLicense(issuer);
  await tokenOf(await issuer.sync(licenseKey));
}, 240_000);
afterAll(async () => {
  await issuer.remove();
  await pool.end();
  await database.drop();
});

/** As if the keys that sign and stand by were older by `interval`. */
const age = (interval: string) =>
  pool.query(`UPDATE signing_keys SET published_at = published_at - interval '${interval}',
    signs_from = signs_from - interval '${interval}' WHERE phase <> 'retired'`);

async function restart(): Promise<void> {
  await issuer.remove();
  issuer = await startChildIssuer(database.url, environment);
  await issuer.listening;
}

async function killedAt(stopAt: StopPointOptions, work: () => Promise<unknown>): Promise<void> {
  const stopPoint = await installStopPoint(pool, stopAt);
  const working = work().catch(() => undefined);
  await stopPoint.reached();
  issuer.child.kill('SIGKILL');
  await issuer.ended;
  await stopPoint.cutOff();
  await working;
}

/** One signs, one stands by, and what is handed out is verified by what is published. */
async function expectSound(): Promise<string> {
  const { rows } = await pool.query<{ phase: string; erased: boolean }>(
    `SELECT phase, sealed_private_key IS NULL AS erased FROM signing_keys
     WHERE unpublished_at IS NULL AND phase <> 'retired' ORDER BY phase`,
  );
  expect(rows).toEqual([
    { phase: 'current', erased: false },
    { phase: 'next', erased: false },
  ]);
  const token = await tokenOf(await issuer.sync(licenseKey, randomUUID()));
  const keySet = (await (
    await fetch(`${issuer.url}/oauth/discovery/keys`)
  ).json()) as JSONWebKeySet;
  await compactVerify(token, createLocalJWKSet(keySet), { algorithms: ['RS256'] });
  const kid = decodeProtectedHeader(token).kid ?? '';
  const current = await pool.query(
    `SELECT FROM signing_keys WHERE kid = $1 AND phase = 'current'`,
    [kid],
  );
  expect(current.rowCount).toBe(1);
  return kid;
}

const kidOf = async (phase: string) =>
  (await pool.query<{ kid: string }>('SELECT kid FROM signing_keys WHERE phase = $1', [phase]))
    .rows[0]?.kid ?? '';
const stateOf = async (kid: string) =>
  (
    await pool.query<{ phase: string; revoked: boolean; forgotten: boolean }>(
      `SELECT phase, revoked_at IS NOT NULL AS revoked, unpublished_at IS NOT NULL AS forgotten
       FROM signing_keys WHERE kid = $1`,
      [kid],
    )
  ).rows[0];

describe('a process that is killed in the middle of a rotation', () => {
  it.each(someOf(SWITCH))('before %s, leaves it to the next start', async (_step, stopAt) => {
    await age('2 days');
    const [old, standby] = [await kidOf('current'), await kidOf('next')];
    await killedAt(stopAt, () => issuer.admin('POST', 'signing_keys/rotate'));
    expect(await stateOf(old)).toMatchObject({ phase: 'current' });

    await restart();
    expect(await expectSound()).toBe(standby);
    expect(await stateOf(old)).toEqual({ phase: 'retired', revoked: false, forgotten: false });
  });

  it.each(someOf(FORGET))('before %s, leaves it to the next start', async (_step, stopAt) => {
    await age('2 days');
    const old = await kidOf('current');
    expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(200);
    // Its last token expired long ago.
    await pool.query(`ALTER TABLE signing_keys DISABLE TRIGGER signing_keys_forward`);
    await pool.query(
      `UPDATE signing_keys SET tokens_expire_by = now() - interval '1 hour',
         retired_at = now() - interval '1 hour' WHERE kid = $1`,
      [old],
    );
    await pool.query(`ALTER TABLE signing_keys ENABLE TRIGGER signing_keys_forward`);
    await killedAt(stopAt, () => issuer.admin('POST', 'signing_keys/rotate'));
    expect(await stateOf(old)).toMatchObject({ forgotten: false });

    await restart();
    await expectSound();
    expect(await stateOf(old)).toMatchObject({ phase: 'retired', forgotten: true });
  });
});

describe('a process that is killed in the middle of a revocation', () => {
  it.each(someOf(SWITCH))(
    'before %s, has revoked nothing, and can be asked again',
    async (_s, stopAt) => {
      await age('1 hour');
      const [leaked, standby] = [await kidOf('current'), await kidOf('next')];
      await killedAt(stopAt, () => issuer.admin('POST', `signing_keys/${leaked}/revoke`));
      expect(await stateOf(leaked)).toMatchObject({ phase: 'current', revoked: false });

      await restart();
      expect(await expectSound()).toBe(leaked);
      expect((await issuer.admin('POST', `signing_keys/${leaked}/revoke`)).status).toBe(200);
      expect(await expectSound()).toBe(standby);
      expect(await stateOf(leaked)).toEqual({ phase: 'retired', revoked: true, forgotten: true });
    },
  );

  it.each(someOf(FORGET))('before %s, has it dropped by the next start', async (_step, stopAt) => {
    await age('1 hour');
    const [leaked, standby] = [await kidOf('current'), await kidOf('next')];
    await killedAt(stopAt, () => issuer.admin('POST', `signing_keys/${leaked}/revoke`));
    expect(await stateOf(leaked)).toEqual({ phase: 'retired', revoked: true, forgotten: false });

    await restart();
    expect(await expectSound()).toBe(standby);
    expect(await stateOf(leaked)).toEqual({ phase: 'retired', revoked: true, forgotten: true });
  });
});
