import { at, DAY, POLICY } from '../../test/support/lifecycle-keys.js';
import { trustedUntil } from './key-trust.js';

const REVOKED = { revokedAt: at(0), unpublishedAt: at(0), unpublishedLateAt: null };

describe('until when validators may trust a revoked key', () => {
  it.each([
    ['a day after it was unpublished', REVOKED, 0, at(DAY)],
    [
      'a day after the last replica stopped publishing it',
      { ...REVOKED, unpublishedLateAt: at(50) },
      0,
      at(DAY + 50),
    ],
    ['open while a replica may publish it', REVOKED, 1, null],
    ['open while it is still published', { ...REVOKED, unpublishedAt: null }, 0, null],
    ['no instant for a key that is not revoked', { ...REVOKED, revokedAt: null }, 0, null],
  ])('is %s', (_case, key, publishers, expected) => {
    expect(trustedUntil(key, publishers, POLICY)).toEqual(expected);
  });
});
