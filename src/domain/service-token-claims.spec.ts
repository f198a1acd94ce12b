import fc from 'fast-check';
import { denialOf, type License } from './license.js';
import { serviceTokenClaims } from './service-token-claims.js';

const TTL = 259_200;
const POLICY = { issuer: 'https://issuer.test', ttlSeconds: TTL, notBeforeSkewSeconds: 5 };
const SUBJECT = {
  instanceId: 'E2F5D0A4-1B7C-4C3E-9A60-0A1B2C3D4E5F',
  instanceUid: '0197f0a0-0000-7000-8000-000000000001',
};
const RESOLUTION = { scopes: ['ask_epic', 'duo_chat'], audiences: ['gitlab-ai-gateway'] };
const JTI = '0197f0a0-0000-7000-8000-000000000002';

interface Given {
  readonly expiresOn?: string;
  readonly policy?: Partial<typeof POLICY>;
}

function claimsAt(now: Date | string, given: Given = {}) {
  const license = { expiresOn: given.expiresOn ?? '2027-01-01' };
  const policy = { ...POLICY, ...given.policy };
  const facts = { license, ...SUBJECT, resolution: RESOLUTION, policy, now: new Date(now) };
  return serviceTokenClaims({ ...facts, jti: JTI, statusIndex: null });
}

function seconds(instant: string): number {
  return Date.parse(instant) / 1000;
}

describe('serviceTokenClaims', () => {
  it('are these ten and no others', () => {
    const now = seconds('2026-06-15T12:00:00Z');
    expect(claimsAt('2026-06-15T12:00:00Z')).toStrictEqual({
      iss: 'https://issuer.test',
      aud: ['gitlab-ai-gateway'],
      sub: 'E2F5D0A4-1B7C-4C3E-9A60-0A1B2C3D4E5F',
      iat: now - 5,
      nbf: now - 5,
      exp: now + TTL,
      jti: JTI,
      gitlab_realm: 'self-managed',
      gitlab_instance_uid: '0197f0a0-0000-7000-8000-000000000001',
      scopes: ['ask_epic', 'duo_chat'],
    });
  });

  it.each([
    ['2026-06-15T12:00:00.000Z', '2026-06-15T12:00:00Z'],
    ['2026-06-15T12:00:00.001Z', '2026-06-15T12:00:00Z'],
    ['2026-06-15T12:00:00.999Z', '2026-06-15T12:00:00Z'],
    ['2026-06-15T12:00:01.000Z', '2026-06-15T12:00:01Z'],
  ])('are in whole seconds, never in the future: at %s they count from %s', (now, second) => {
    const { iat, exp } = claimsAt(now);
    expect([iat, exp]).toEqual([seconds(second) - 5, seconds(second) + TTL]);
  });

  it.each([0, 5, 3600])(
    'have iat and nbf %d seconds before the issue, as configured, and exp as without it',
    (notBeforeSkewSeconds) => {
      const { iat, nbf, exp } = claimsAt('2026-06-15T12:00:00.400Z', {
        policy: { notBeforeSkewSeconds },
      });
      const issued = seconds('2026-06-15T12:00:00Z');
      expect([iat, nbf, exp]).toEqual([
        issued - notBeforeSkewSeconds,
        issued - notBeforeSkewSeconds,
        issued + TTL,
      ]);
    },
  );

  // The grace of a license that is over on 2027-01-01 ends at 00:00 UTC of 2027-01-15.
  it.each([
    ['a second before the cap matters', '2027-01-11T23:59:59Z', '2027-01-14T23:59:59Z'],
    ['when lifetime and grace end together', '2027-01-12T00:00:00Z', '2027-01-15T00:00:00Z'],
    ['a second after', '2027-01-12T00:00:01Z', '2027-01-15T00:00:00Z'],
    ['at the last instant of the grace', '2027-01-14T23:59:59.999Z', '2027-01-15T00:00:00Z'],
  ])('expire with their lifetime or with the grace of the license: %s', (_when, now, exp) => {
    expect(claimsAt(now).exp).toBe(seconds(exp));
  });

  it('follow the configured lifetime, up to the same cap', () => {
    const policy = { ttlSeconds: 3600 };
    expect(claimsAt('2027-01-14T23:00:00Z', { policy }).exp).toBe(seconds('2027-01-15T00:00:00Z'));
    expect(claimsAt('2027-01-14T22:59:59Z', { policy }).exp).toBe(seconds('2027-01-14T23:59:59Z'));
    expect(claimsAt('2027-01-14T23:00:01Z', { policy }).exp).toBe(seconds('2027-01-15T00:00:00Z'));
  });

  it('never expire before they were issued nor after the grace, while no denial stands', () => {
    const license: License = {
      id: 'a license',
      plan: 'ultimate',
      kind: 'online_cloud',
      trial: false,
      seats: 1,
      startsOn: '2026-01-01',
      expiresOn: '2027-01-01',
      revokedAt: null,
    };
    const min = new Date('2026-12-25T00:00:00Z');
    const max = new Date('2027-01-16T00:00:00Z');
    const ttls = fc.integer({ min: 3600, max: 604_800 });
    fc.assert(
      fc.property(fc.date({ min, max, noInvalidDate: true }), ttls, (now, ttlSeconds) => {
        fc.pre(denialOf(license, now) === null);
        const { iat, exp } = claimsAt(now, { policy: { ttlSeconds } });
        expect(exp).toBeGreaterThan(iat);
        expect(exp).toBeGreaterThan(now.getTime() / 1000);
        expect(exp).toBeLessThanOrEqual(seconds('2027-01-15T00:00:00Z'));
        expect(exp - now.getTime() / 1000).toBeLessThanOrEqual(ttlSeconds);
        expect(Number.isInteger(exp)).toBe(true);
      }),
    );
  });
});
