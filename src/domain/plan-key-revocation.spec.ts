import {
  at,
  current,
  key,
  LEAD,
  POLICY,
  retired,
  START,
} from '../../test/support/lifecycle-keys.js';
import { planKeyRevocation } from './plan-key-revocation.js';

describe('the plan of a revocation', () => {
  const keys = [current(), key('next'), retired()];
  const plan = (kid: string, now: Date, acceptOutage = false) => {
    const revoked = keys.find((candidate) => candidate.kid === kid) ?? current();
    return planKeyRevocation(keys, revoked, POLICY, now, acceptOutage);
  };

  it('replaces a key that signs with a next key that validators know', () => {
    expect(plan('current', at(LEAD))).toEqual({
      outcome: 'revoke',
      switchTo: 'next',
      outage: null,
    });
  });

  it('is refused while validators may not know the next key, and says until when', () => {
    const outage = { nextPublishedAt: START, until: at(LEAD) };
    expect(plan('current', at(LEAD - 1))).toEqual({
      outcome: 'refused',
      allowedFrom: at(LEAD),
      outage,
    });
    expect(plan('current', at(LEAD - 1), true)).toEqual({
      outcome: 'revoke',
      switchTo: 'next',
      outage,
    });
  });

  it('counts from when the last replica began to publish the next key', () => {
    const late = [current(), key('next', { publishedLateAt: at(500) })];
    expect(planKeyRevocation(late, current(), POLICY, at(LEAD + 499), false)).toEqual({
      outcome: 'refused',
      allowedFrom: at(LEAD + 500),
      outage: { nextPublishedAt: at(500), until: at(LEAD + 500) },
    });
  });

  it('unpublishes a key that does not sign at once, and an unpublished key only once', () => {
    const revoked = { outcome: 'revoke', switchTo: null, outage: null };
    expect(plan('next', START)).toEqual(revoked);
    expect(plan('retired', START)).toEqual(revoked);
    const gone = retired({ unpublishedAt: START });
    expect(planKeyRevocation(keys, gone, POLICY, START, false)).toEqual({ outcome: 'nothing' });
    expect(planKeyRevocation([current()], current(), POLICY, START, true)).toEqual({
      outcome: 'no_next_key',
    });
  });
});
