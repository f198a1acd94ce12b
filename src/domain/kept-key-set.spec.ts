import { holdsSignerUntil, type KeptKeySet, keptKeySetFault } from './kept-key-set.js';
import type { LifecycleKey } from './plan-key-rotation.js';
import type { PublicJwk } from './published-document.js';

const DAY_MS = 86_400_000;
const POLICY = { rotationSeconds: 90 * 86_400, jwksCacheSeconds: 86_400 };
const START = new Date('2026-01-01T00:00:00Z');
const day = (days: number) => new Date(START.getTime() + days * DAY_MS);

function key(kid: string, phase: LifecycleKey['phase'], signsFrom: Date | null): LifecycleKey {
  const never = { retiredAt: null, tokensExpireBy: null, revokedAt: null, unpublishedAt: null };
  return { kid, phase, publishedAt: START, signsFrom, ...never };
}

describe('how long a kept key set holds the key that signs', () => {
  it('ends when the schedule retires the next key', () => {
    const keys = [key('one', 'current', START), key('two', 'next', null)];
    expect(holdsSignerUntil(keys, POLICY)).toEqual(day(180));
  });

  it('ends when the schedule retires the current key, without a next key', () => {
    expect(holdsSignerUntil([key('one', 'current', START)], POLICY)).toEqual(day(90));
  });

  it('is unknown without keys', () => {
    expect(holdsSignerUntil([], POLICY)).toBeNull();
  });
});

describe('whether a kept key set may be published', () => {
  const jwk = (kid: string) => ({ kid }) as PublicJwk;
  const kept: KeptKeySet = {
    document: { keys: [jwk('one'), jwk('two')] },
    holdsSignerUntil: day(180),
    isUnpublished: () => false,
    hasOtherReplicas: true,
  };
  const justBefore = new Date(day(180).getTime() - 1);

  it.each([
    ['up to the end of its schedule', kept, justBefore, null],
    ['not from that end on', kept, day(180), 'since 2026-06-30T00:00:00.000Z'],
    ['ever, where no other replica rotates', { ...kept, hasOtherReplicas: false }, day(999), null],
    ['where no schedule was noted', { ...kept, holdsSignerUntil: null }, day(999), null],
    [
      'not with a key that is unpublished',
      { ...kept, isUnpublished: (kid: string) => kid === 'two' },
      START,
      'two',
    ],
  ])('%s', (_when, set, now, fault) => {
    if (fault === null) expect(keptKeySetFault(set, now)).toBeNull();
    else expect(keptKeySetFault(set, now)).toContain(fault);
  });
});
