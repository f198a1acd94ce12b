import { planKeyRevocation } from './plan-key-revocation.js';
import type { KeyPolicy, LifecycleKey } from './plan-key-rotation.js';

const DAY = 86_400;
const POLICY: KeyPolicy = { rotationSeconds: 90 * DAY, jwksCacheSeconds: DAY };
const START = new Date('2026-03-01T00:00:00Z');

const at = (seconds: number): Date => new Date(START.getTime() + seconds * 1000);

function key(kid: string, about: Partial<LifecycleKey> = {}): LifecycleKey {
  return {
    kid,
    phase: 'next',
    publishedAt: START,
    signsFrom: null,
    retiredAt: null,
    tokensExpireBy: null,
    revokedAt: null,
    unpublishedAt: null,
    ...about,
  };
}

const current = (about: Partial<LifecycleKey> = {}) =>
  key('current', { phase: 'current', signsFrom: START, ...about });
const retired = (about: Partial<LifecycleKey> = {}) =>
  key('retired', { phase: 'retired', signsFrom: START, retiredAt: START, ...about });

describe('the plan of a revocation', () => {
  const lead = 95_040;
  const keys = [current(), key('next'), retired()];
  const plan = (kid: string, now: Date, acceptOutage = false) => {
    const revoked = keys.find((candidate) => candidate.kid === kid) ?? current();
    return planKeyRevocation(keys, revoked, POLICY, now, acceptOutage);
  };

  it('replaces a key that signs by the standby that validators know', () => {
    expect(plan('current', at(lead))).toEqual({
      outcome: 'revoke',
      switchTo: 'next',
      outage: null,
    });
  });

  it('is refused while validators may not know the standby, and names until when', () => {
    const outage = { standbyPublishedAt: START, until: at(lead) };
    expect(plan('current', at(lead - 1))).toEqual({
      outcome: 'refused',
      allowedFrom: at(lead),
      outage,
    });
    expect(plan('current', at(lead - 1), true)).toEqual({
      outcome: 'revoke',
      switchTo: 'next',
      outage,
    });
  });

  it('drops a key that does not sign at once, and a forgotten one not again', () => {
    const dropped = { outcome: 'revoke', switchTo: null, outage: null };
    expect(plan('next', START)).toEqual(dropped);
    expect(plan('retired', START)).toEqual(dropped);
    const gone = retired({ unpublishedAt: START });
    expect(planKeyRevocation(keys, gone, POLICY, START, false)).toEqual({ outcome: 'nothing' });
    expect(planKeyRevocation([current()], current(), POLICY, START, true)).toEqual({
      outcome: 'no-standby',
    });
  });
});
