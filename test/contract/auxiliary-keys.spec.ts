import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import { generateAuxiliaryKey } from '../../src/auxiliary-keys/auxiliary-key.js';
import { AuxiliaryKeys } from '../../src/auxiliary-keys/auxiliary-keys.service.js';
import { RotateAuxiliaryKeys } from '../../src/auxiliary-keys/rotate-auxiliary-keys.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { select } from './ledger.js';

const DAY_MS = 86_400_000;
const PATH = '/oauth/discovery/auxiliary_keys';

describe('the keys for other documents than tokens', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let replica: TestIssuer;
  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock });
    replica = await startTestIssuer({ clock, sharing: issuer });
  });
  afterAll(async () => {
    await replica.stop();
    await issuer.stop();
  });

  const keySet = async (path: string, of = issuer) =>
    (await (await fetch(`${of.url}${path}`)).json()) as JSONWebKeySet;
  const kidsOf = async (path: string, of = issuer) =>
    (await keySet(path, of)).keys.map(({ kid }) => kid);
  const signed = (of: TestIssuer, claims: object = {}) =>
    of.running.app.get(AuxiliaryKeys).sign('statement+jwt', claims);
  const kidOf = async (of: TestIssuer) => decodeProtectedHeader(await signed(of)).kid;
  async function turn(of: TestIssuer): Promise<void> {
    await of.running.app.get(RotateAuxiliaryKeys).carryOutDue();
    await of.running.app.get(AuxiliaryKeys).refresh();
  }

  it('are published as EC keys, public halves only, one current and one next key', async () => {
    const response = await fetch(`${issuer.url}${PATH}`);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    const { keys } = (await response.json()) as JSONWebKeySet;
    expect(keys).toHaveLength(2);
    for (const key of keys) {
      const members = ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'];
      expect(Object.keys(key).sort()).toEqual(members);
      expect(key).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' });
      expect(key.kid).toBe(await calculateJwkThumbprint(key, 'sha256'));
    }
    const etag = response.headers.get('etag') ?? '';
    const again = await fetch(`${issuer.url}${PATH}`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
  });

  it('are the same on each replica, and share no key with the key set of validators', async () => {
    const auxiliary = await kidsOf(PATH);
    expect(await kidsOf(PATH, replica)).toEqual(auxiliary);
    const tokens = await kidsOf('/oauth/discovery/keys');
    expect(tokens).toHaveLength(2);
    expect(tokens.filter((kid) => auxiliary.includes(kid))).toEqual([]);
  });

  it('sign documents that anybody can verify with the published keys alone', async () => {
    const jws = await signed(replica, { iss: 'me', number: 7 });
    const keys = createRemoteJWKSet(new URL(PATH, issuer.url));
    const { payload, protectedHeader } = await jwtVerify(jws, keys, { typ: 'statement+jwt' });
    expect(payload).toEqual({ iss: 'me', number: 7 });
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'statement+jwt' });
  });

  it('sign nothing that a validator would accept as a token', async () => {
    const instanceId = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
    const now = Math.floor(clock.now().getTime() / 1000);
    const token = await signed(issuer, {
      iss: issuer.url,
      aud: ['gitlab-ai-gateway'],
      sub: instanceId,
      iat: now,
      exp: now + 3600,
      jti: instanceId,
      gitlab_realm: 'self-managed',
      scopes: ['duo_chat'],
    });
    const backend = new BackendValidator(issuer.url, 'gitlab-ai-gateway', () => clock.now());
    const verdict = await backend.judge(backendHeaders(token, instanceId));
    expect(verdict).toEqual({ accepted: false, error: 'Forbidden by auth provider' });
  });

  it('rotate on schedule, once for all replicas, and stay published for good', async () => {
    const both = await kidsOf(PATH);
    const early = await signed(issuer, { early: true });
    const first = await kidOf(issuer);
    expect(await kidOf(replica)).toBe(first);
    // Published at the same instant, the two stand in any order.
    const second = both.find((kid) => kid !== first);

    clock.advance(90 * DAY_MS - 1);
    await Promise.all([turn(issuer), turn(replica)]);
    expect(await kidsOf(PATH)).toEqual(both);
    clock.advance(1);
    await Promise.all([turn(issuer), turn(replica)]);
    await Promise.all([turn(issuer), turn(replica)]);
    expect([await kidOf(issuer), await kidOf(replica)]).toEqual([second, second]);
    for (let round = 0; round < 3; round += 1) {
      clock.advance(90 * DAY_MS);
      await turn(issuer);
    }
    const all = await keySet(PATH);
    expect(all.keys).toHaveLength(6);
    expect((await jwtVerify(early, createLocalJWKSet(all))).payload).toEqual({ early: true });
    const phases = await select(
      issuer,
      `SELECT phase, count(*)::int AS keys, count(sealed_private_key)::int AS private
       FROM auxiliary_keys GROUP BY phase ORDER BY phase`,
    );
    expect(phases).toEqual([
      { phase: 'current', keys: 1, private: 1 },
      { phase: 'next', keys: 1, private: 1 },
      { phase: 'retired', keys: 4, private: 0 },
    ]);
  });

  it('do not include a key that was added with access to the database alone', async () => {
    const key = await generateAuxiliaryKey();
    const [own] = await select<{ sealed_kid: Buffer }>(
      issuer,
      `SELECT sealed_kid FROM auxiliary_keys WHERE phase = 'current'`,
    );
    await select(
      issuer,
      `INSERT INTO auxiliary_keys (kid, phase, public_jwk, sealed_kid, published_at, signs_from,
         retired_at) VALUES ($1, 'retired', $2, $3, now(), now(), now())`,
      [key.publicJwk.kid, JSON.stringify(key.publicJwk), own?.sealed_kid],
    );
    await turn(issuer);
    expect(await kidsOf(PATH)).not.toContain(key.publicJwk.kid);
    const auxiliaryKeys = issuer.running.app.get(AuxiliaryKeys);
    expect(await auxiliaryKeys.trusted(key.publicJwk.kid)).toBeNull();
    const kid = (await kidOf(issuer)) ?? '';
    expect(await auxiliaryKeys.trusted(kid)).toMatchObject({ kid });
  });

  it('cannot be deleted or brought back in the database', async () => {
    for (const [sql, told] of [
      ['DELETE FROM auxiliary_keys', 'rows are kept for good'],
      [
        `UPDATE auxiliary_keys SET phase = 'next', signs_from = NULL WHERE phase = 'current'`,
        'kept',
      ],
      [`UPDATE auxiliary_keys SET public_jwk = public_jwk || '{"x":"y"}'`, 'kept for good'],
      [`UPDATE auxiliary_keys SET phase = 'retired' WHERE phase = 'next'`, '_check'],
    ] as const) {
      await expect(select(issuer, sql)).rejects.toThrow(told);
    }
  });
});
