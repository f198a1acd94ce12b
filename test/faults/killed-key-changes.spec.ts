import { randomUUID } from 'node:crypto';
import { compactVerify, createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import { type ChildIssuer, createLicense, tokenOf } from '../support/child-issuer.js';
import { ageKeys, type ChildReplicas, childReplicas } from '../support/child-replicas.js';
import { someOf } from '../support/proofs.js';
import { installStopPoint, type StopPointOptions } from '../support/stop-point.js';

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
    'the next key is promoted',
    { table: KEYS, event: 'BEFORE UPDATE', when: `NEW.phase = 'current' AND OLD.phase = 'next'` },
  ],
  [
    'a new next key is published',
    { table: KEYS, event: 'BEFORE INSERT', when: `NEW.phase = 'next'` },
  ],
  [
    'the switch is committed',
    { table: KEYS, event: 'AFTER INSERT', when: `NEW.phase = 'next'`, atCommit: true },
  ],
];
const UNPUBLISH: readonly (readonly [string, StopPointOptions])[] = [
  [
    'the key is unpublished',
    { table: KEYS, event: 'BEFORE UPDATE', when: 'NEW.unpublished_at IS NOT NULL' },
  ],
  [
    'the unpublishing is committed',
    { table: KEYS, event: 'AFTER UPDATE', when: 'NEW.unpublished_at IS NOT NULL', atCommit: true },
  ],
];

jest.setTimeout(120_000);

/** Each kill happens to the keys that the previous kill left. */
let replicas: ChildReplicas;
let issuer: ChildIssuer;
let licenseKey: string;
beforeAll(async () => {
  // With validators that cache keys for a second, days become seconds.
  replicas = await childReplicas({ JWKS_CACHE_SECONDS: '1', SIGNING_KEY_ROTATION_DAYS: '1' });
  issuer = await replicas.start();
  licenseKey = await createLicense(issuer);
  await tokenOf(await issuer.sync(licenseKey));
}, 240_000);
afterAll(() => replicas.remove());

async function killedAt(stopAt: StopPointOptions, work: () => Promise<unknown>): Promise<void> {
  const stopPoint = await installStopPoint(replicas.pool, stopAt);
  const working = work().catch(() => undefined);
  await stopPoint.reached();
  issuer.child.kill('SIGKILL');
  await issuer.ended;
  await stopPoint.cutOff();
  await working;
  // Otherwise the next switch would wait a day for the killed replica.
  await replicas.pool.query('DELETE FROM replicas');
}

/** There is one current and one next key, and the published keys verify a new token. */
async function expectSound(): Promise<string> {
  const { rows } = await replicas.pool.query<{ phase: string; erased: boolean }>(
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
  const current = await replicas.pool.query(
    `SELECT FROM signing_keys WHERE kid = $1 AND phase = 'current'`,
    [kid],
  );
  expect(current.rowCount).toBe(1);
  return kid;
}

const kidOf = async (phase: string) =>
  (
    await replicas.pool.query<{ kid: string }>('SELECT kid FROM signing_keys WHERE phase = $1', [
      phase,
    ])
  ).rows[0]?.kid ?? '';
const stateOf = async (kid: string) =>
  (
    await replicas.pool.query<{ phase: string; revoked: boolean; unpublished: boolean }>(
      `SELECT phase, revoked_at IS NOT NULL AS revoked, unpublished_at IS NOT NULL AS unpublished
       FROM signing_keys WHERE kid = $1`,
      [kid],
    )
  ).rows[0];

describe('a process that is killed in the middle of a rotation', () => {
  it.each(someOf(SWITCH))('before %s, leaves it to the next start', async (_step, stopAt) => {
    await ageKeys(replicas.pool, '2 days');
    const [old, nextKey] = [await kidOf('current'), await kidOf('next')];
    await killedAt(stopAt, () => issuer.admin('POST', 'signing_keys/rotate'));
    expect(await stateOf(old)).toMatchObject({ phase: 'current' });

    issuer = await replicas.start();
    expect(await expectSound()).toBe(nextKey);
    expect(await stateOf(old)).toEqual({ phase: 'retired', revoked: false, unpublished: false });
  });

  it.each(someOf(UNPUBLISH))('before %s, leaves it to the next start', async (_step, stopAt) => {
    await ageKeys(replicas.pool, '2 days');
    const old = await kidOf('current');
    expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(200);
    // Its last token expired long ago.
    await replicas.pool.query(`ALTER TABLE signing_keys DISABLE TRIGGER signing_keys_forward`);
    await replicas.pool.query(
      `UPDATE signing_keys SET tokens_expire_by = now() - interval '1 hour',
         retired_at = now() - interval '1 hour' WHERE kid = $1`,
      [old],
    );
    await replicas.pool.query(`ALTER TABLE signing_keys ENABLE TRIGGER signing_keys_forward`);
    await killedAt(stopAt, () => issuer.admin('POST', 'signing_keys/rotate'));
    expect(await stateOf(old)).toMatchObject({ unpublished: false });

    issuer = await replicas.start();
    await expectSound();
    expect(await stateOf(old)).toMatchObject({ phase: 'retired', unpublished: true });
  });
});

describe('a process that is killed in the middle of a revocation', () => {
  it.each(someOf(SWITCH))(
    'before %s, has revoked nothing, and the request can be repeated',
    async (_s, stopAt) => {
      await ageKeys(replicas.pool, '1 hour');
      const [leaked, nextKey] = [await kidOf('current'), await kidOf('next')];
      await killedAt(stopAt, () => issuer.admin('POST', `signing_keys/${leaked}/revoke`));
      expect(await stateOf(leaked)).toMatchObject({ phase: 'current', revoked: false });

      issuer = await replicas.start();
      expect(await expectSound()).toBe(leaked);
      expect((await issuer.admin('POST', `signing_keys/${leaked}/revoke`)).status).toBe(200);
      expect(await expectSound()).toBe(nextKey);
      expect(await stateOf(leaked)).toEqual({ phase: 'retired', revoked: true, unpublished: true });
    },
  );

  it.each(someOf(UNPUBLISH))(
    'before %s, lets the next start unpublish it',
    async (_step, stopAt) => {
      await ageKeys(replicas.pool, '1 hour');
      const [leaked, nextKey] = [await kidOf('current'), await kidOf('next')];
      await killedAt(stopAt, () => issuer.admin('POST', `signing_keys/${leaked}/revoke`));
      expect(await stateOf(leaked)).toEqual({
        phase: 'retired',
        revoked: true,
        unpublished: false,
      });

      issuer = await replicas.start();
      expect(await expectSound()).toBe(nextKey);
      expect(await stateOf(leaked)).toEqual({ phase: 'retired', revoked: true, unpublished: true });
    },
  );
});
