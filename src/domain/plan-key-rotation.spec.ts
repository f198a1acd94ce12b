import {
  at,
  current,
  DAY,
  key,
  LEAD,
  POLICY,
  retired,
  START,
} from '../../test/support/lifecycle-keys.js';
import {
  dueStep,
  unpublishAt,
  keyToAcknowledge,
  maySignFrom,
  planKeyRotation,
} from './plan-key-rotation.js';

describe('the plan of the keys', () => {
  it('lets the first key of an empty database sign at once', () => {
    expect(planKeyRotation([], POLICY, START)).toEqual([
      { step: { step: 'publish_first' }, dueAt: START },
    ]);
  });

  it('switches to the next key when the current key has signed for its time', () => {
    const keys = [current(), key('next')];
    const [first] = planKeyRotation(keys, POLICY, START);
    expect(first).toEqual({
      step: { step: 'switch', from: 'current', to: 'next' },
      dueAt: at(90 * DAY),
    });
    const plan = planKeyRotation(keys, POLICY, at(90 * DAY));
    expect(dueStep(plan, at(90 * DAY - 1))).toBeNull();
    expect(dueStep(plan, at(90 * DAY))).toEqual({ step: 'switch', from: 'current', to: 'next' });
  });

  it('waits until validators know the next key, however late the switch is (GitLab production 18349)', () => {
    const keys = [current(), key('next', { publishedAt: at(200 * DAY) })];
    expect(maySignFrom(key('next'), POLICY)).toEqual(at(LEAD));
    const plan = planKeyRotation(keys, POLICY, at(200 * DAY));
    expect(dueStep(plan, at(200 * DAY + LEAD - 1))).toBeNull();
    expect(dueStep(plan, at(200 * DAY + LEAD))).toMatchObject({ step: 'switch', to: 'next' });
  });

  it('waits for the validators of a replica that began to publish the next key late', () => {
    const keys = [current(), key('next', { publishedLateAt: at(200 * DAY) })];
    const plan = planKeyRotation(keys, POLICY, at(200 * DAY));
    expect(dueStep(plan, at(200 * DAY + LEAD - 1))).toBeNull();
    expect(dueStep(plan, at(200 * DAY + LEAD))).toMatchObject({ step: 'switch', to: 'next' });
  });

  it.each([
    ['a switch', { step: 'switch', from: 'current', to: 'next' }, 'next'],
    ['no switch where no key signs', { step: 'switch', from: null, to: 'next' }, null],
    ['no unpublishing', { step: 'unpublish', kid: 'retired' }, null],
    ['no publication', { step: 'publish_next' }, null],
  ] as const)('has %s wait for replicas', (_which, step, kid) => {
    expect(keyToAcknowledge(step)).toBe(kid);
  });

  it('publishes a missing next key, as after an upgrade (Vault 13223), and lets it wait', () => {
    const plan = planKeyRotation([current()], POLICY, at(DAY));
    expect(plan).toEqual([{ step: { step: 'publish_next' }, dueAt: at(DAY) }]);
    const next = key('next', { publishedAt: at(400 * DAY) });
    expect(dueStep(planKeyRotation([next], POLICY, at(400 * DAY)), at(400 * DAY))).toBeNull();
  });

  it.each([
    ['its last token', retired({ tokensExpireBy: at(3 * DAY) }), 4 * DAY],
    ['its retirement, having signed nothing', retired(), DAY],
    ['its retirement, by a clock that ran ahead', retired({ tokensExpireBy: at(-DAY) }), DAY],
    ['its revocation, at once', retired({ tokensExpireBy: at(DAY), revokedAt: START }), 0],
  ])('unpublishes a retired key one cache time after %s', (_what, kept, seconds) => {
    expect(unpublishAt(kept, POLICY)).toEqual(at(seconds));
    const plan = planKeyRotation([current(), key('next'), kept], POLICY, at(seconds));
    expect(dueStep(plan, at(seconds))).toEqual({ step: 'unpublish', kid: 'retired' });
    expect(dueStep(plan, at(seconds - 1))).toBeNull();
  });

  it('unpublishes a key once, and never the current or the next key', () => {
    expect(unpublishAt(retired({ unpublishedAt: at(DAY) }), POLICY)).toBeNull();
    expect(unpublishAt(current(), POLICY)).toBeNull();
    expect(unpublishAt(key('next'), POLICY)).toBeNull();
  });
});
