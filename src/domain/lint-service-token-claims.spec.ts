import fc from 'fast-check';
import { denialOf, type License } from './license.js';
import { MAX_PAYLOAD_BYTES, serviceTokenFaults } from './lint-service-token-claims.js';
import { serviceTokenClaims } from './service-token-claims.js';
import { uuidV7 } from './uuid-v7.js';

const NOW = new Date('2026-06-15T12:00:00.400Z');
const IAT = NOW.getTime() / 1000 - 0.4;
const TTL = 259_200;
const POLICY = { issuer: 'https://issuer.test', ttlSeconds: TTL, notBeforeSkewSeconds: 5 };
const SOUND = {
  iss: 'https://issuer.test',
  aud: ['gitlab-ai-gateway', 'gitlab-duo-workflow-service'],
  sub: 'E2F5D0A4-1B7C-4C3E-9A60-0A1B2C3D4E5F',
  iat: IAT - 5,
  nbf: IAT - 5,
  exp: IAT + TTL,
  jti: uuidV7(NOW, new Uint8Array(10)),
  gitlab_realm: 'self-managed',
  gitlab_instance_uid: '0197f0a0-0000-7000-8000-000000000001',
  scopes: ['ask_epic', 'duo_chat'],
};
const STATUS = { status_list: { idx: 0, uri: 'https://issuer.test/status/0' } };

const faultsOf = (changed: object) => serviceTokenFaults({ ...SOUND, ...changed }, POLICY, NOW);

describe('the lint of claims', () => {
  it('finds no fault in sound claims, with a place in a status list or without', () => {
    expect(serviceTokenFaults(SOUND, POLICY, NOW)).toEqual([]);
    expect(faultsOf({ status: STATUS })).toEqual([]);
  });

  it.each(Object.keys(SOUND))('misses %s when it is absent or null', (claim) => {
    const others = Object.fromEntries(Object.entries(SOUND).filter(([name]) => name !== claim));
    for (const faults of [serviceTokenFaults(others, POLICY, NOW), faultsOf({ [claim]: null })]) {
      expect(faults.map((fault) => fault.split(' ')[0])).toContain(claim);
    }
  });

  it.each([
    ['iss', 'https://another.test'],
    ['iss', 'https://issuer.test/'],
    ['aud', 'gitlab-ai-gateway'],
    ['aud', []],
    ['aud', ['']],
    ['aud', [7]],
    ['aud', ['https://issuer.test']],
    ['aud', ['gitlab-ai-gateway', 'https://issuer.test']],
    ['aud', ['b', 'a']],
    ['aud', ['a', 'a']],
    ['sub', 'gitlab.example.com'],
    ['sub', ''],
    ['sub', 42],
    ['iat', IAT],
    ['iat', IAT - 6],
    ['iat', IAT + 0.4],
    ['iat', String(IAT)],
    ['nbf', IAT],
    ['nbf', IAT - 6],
    ['nbf', IAT + 5],
    ['exp', IAT],
    ['exp', IAT - 1],
    ['exp', IAT + TTL + 1],
    ['exp', IAT + 60.5],
    ['exp', String(IAT + 60)],
    ['exp', Infinity],
    ['jti', '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f'],
    ['jti', uuidV7(NOW, new Uint8Array(10)).toUpperCase().replace('0', 'A')],
    ['jti', uuidV7(new Date(NOW.getTime() + 600), new Uint8Array(10))],
    ['jti', uuidV7(new Date(NOW.getTime() - 401), new Uint8Array(10))],
    ['gitlab_realm', 'saas'],
    ['gitlab_instance_uid', ''],
    ['gitlab_instance_uid', 7],
    ['scopes', 'ask_epic duo_chat'],
    ['scopes', []],
    ['scopes', ['duo_chat', 'ask_epic']],
    ['scopes', ['duo_chat', 'duo_chat']],
    ['scopes', ['duo_chat', null]],
    ['status', null],
    ['status', 'https://issuer.test/status/0'],
    ['status', { status_list: { idx: -1, uri: 'https://issuer.test/status/0' } }],
    ['status', { status_list: { idx: 0.5, uri: 'https://issuer.test/status/0' } }],
    ['status', { status_list: { idx: 0 } }],
    ['status', { status_list: { idx: 0, uri: 'status/0' } }],
    ['status', { status_list: { ...STATUS.status_list, extra: 1 } }],
    ['status', { ...STATUS, extra: 1 }],
  ])('refuses %s %j', (claim, value) => {
    const faults = faultsOf({ [claim]: value });
    expect(faults.map((fault) => fault.split(' ')[0])).toContain(claim);
  });

  it.each(['sub ', 'scope', 'duo_seat_count', 'client_id', 'cnf', 'toJSON', 'constructor'])(
    'refuses a claim that it does not know: %s',
    (claim) => {
      expect(faultsOf({ [claim]: 'x' })).toEqual([`${claim} is not a known claim`]);
    },
  );

  it('accepts the configured lifetime, and never more than a week', () => {
    const week = { ...POLICY, ttlSeconds: 604_800 };
    const year = { ...POLICY, ttlSeconds: 31_536_000 };
    const after = (seconds: number) => ({ ...SOUND, exp: IAT + seconds });
    expect(faultsOf({ exp: IAT + TTL })).toEqual([]);
    expect(faultsOf({ exp: IAT + 1 })).toEqual([]);
    expect(serviceTokenFaults(after(604_800), week, NOW)).toEqual([]);
    expect(serviceTokenFaults(after(604_801), year, NOW)).toHaveLength(1);
  });

  it('refuses a payload that makes the header line too long for common proxies', () => {
    const empty = JSON.stringify({ ...SOUND, gitlab_instance_uid: '' }).length;
    const filled = (bytes: number) => ({ gitlab_instance_uid: 'x'.repeat(bytes - empty) });
    expect(faultsOf(filled(MAX_PAYLOAD_BYTES))).toEqual([]);
    expect(faultsOf(filled(MAX_PAYLOAD_BYTES + 1))).toEqual([
      'the payload has 5633 bytes, more than 5632',
    ]);
    // A kid has 43 characters, a signature by RSA with 2048 bits 256 bytes.
    const header = JSON.stringify({ typ: 'JWT', alg: 'RS256', kid: 'x'.repeat(43) });
    const parts = [header, 'x'.repeat(MAX_PAYLOAD_BYTES), 'x'.repeat(256)];
    const token = parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
    expect(`Authorization: Bearer ${token}\r\n`.length).toBeLessThan(8190);
  });

  it('names claims and never their values', () => {
    const secretive = faultsOf({ sub: 'a secret', aud: ['a secret'], extra: 'a secret' });
    expect(secretive.join()).not.toContain('a secret');
  });

  it('finds no fault in any claims that are made for a license without a denial', () => {
    const days = { min: new Date('2026-01-01'), max: new Date('2027-01-20'), noInvalidDate: true };
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z_]{0,40}$/), {
      minLength: 1,
      maxLength: 61,
    });
    const issuances = fc.record({
      now: fc.date(days),
      ttlSeconds: fc.integer({ min: 3600, max: 604_800 }),
      notBeforeSkewSeconds: fc.nat(3600),
      instanceId: fc.uuid().chain((id) => fc.constantFrom(id, id.toUpperCase())),
      instanceUid: fc.uuid(),
      random: fc.uint8Array({ minLength: 10, maxLength: 10 }),
      scopes: names.map((all) => all.sort()),
      audiences: names.map((all) => all.slice(0, 4).sort()),
    });
    fc.assert(
      fc.property(issuances, ({ now, random, ttlSeconds, notBeforeSkewSeconds, ...given }) => {
        fc.pre(denialOf(LICENSE, now) === null);
        const policy = { issuer: 'https://issuer.test', ttlSeconds, notBeforeSkewSeconds };
        const identity = { jti: uuidV7(now, random), statusIndex: null };
        const facts = { ...given, license: LICENSE, resolution: given, policy, now, ...identity };
        const claims = serviceTokenClaims(facts);
        expect(serviceTokenFaults(claims, policy, now)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});

const LICENSE: License = {
  id: 'a license',
  plan: 'ultimate',
  kind: 'online_cloud',
  trial: false,
  seats: 1,
  startsOn: '2026-01-01',
  expiresOn: '2027-01-01',
  revokedAt: null,
};
