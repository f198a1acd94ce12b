import { denialOf, graceEndsAt, type License } from './license.js';

const license: License = {
  id: 'a license',
  plan: 'ultimate',
  kind: 'online_cloud',
  trial: false,
  seats: 10,
  startsOn: '2026-01-01',
  expiresOn: '2027-01-01',
  revokedAt: null,
};
const REVOKED_AT = new Date('2026-06-01T10:00:00.500Z');

function denialAt(instant: string, changed: Partial<License> = {}) {
  return denialOf({ ...license, ...changed }, new Date(instant));
}

describe('denialOf', () => {
  it.each([
    ['before its first day', '2025-12-31T23:59:59.999Z', 'LICENSE_NOT_STARTED'],
    ['from 00:00 UTC of its first day', '2026-01-01T00:00:00.000Z', null],
    ['at the end of its last day', '2026-12-31T23:59:59.999Z', null],
    ['on the day on which it is over', '2027-01-01T00:00:00.000Z', null],
    ['at the last instant of its grace', '2027-01-14T23:59:59.999Z', null],
    ['from the end of its grace', '2027-01-15T00:00:00.000Z', 'LICENSE_EXPIRED'],
    ['long after', '2029-01-01T00:00:00.000Z', 'LICENSE_EXPIRED'],
  ])('%s, at %s, tells %s', (_when, instant, denial) => {
    expect(denialAt(instant)).toBe(denial);
  });

  it('gives trials the same grace, and offline cloud licenses the same days', () => {
    for (const changed of [{ trial: true }, { kind: 'offline_cloud' }] as const) {
      expect(denialAt('2025-12-31T23:59:59.999Z', changed)).toBe('LICENSE_NOT_STARTED');
      expect(denialAt('2027-01-14T23:59:59.999Z', changed)).toBeNull();
      expect(denialAt('2027-01-15T00:00:00.000Z', changed)).toBe('LICENSE_EXPIRED');
    }
  });

  it('refuses a legacy license on every day', () => {
    for (const instant of ['2025-01-01', '2026-06-01', '2029-01-01']) {
      expect(denialAt(instant, { kind: 'legacy' })).toBe('LICENSE_NOT_CLOUD');
    }
  });

  it('refuses a revoked license from the instant of its revocation on, not before', () => {
    const revoked = { revokedAt: REVOKED_AT };
    expect(denialAt('2026-06-01T10:00:00.499Z', revoked)).toBeNull();
    expect(denialAt('2026-06-01T10:00:00.500Z', revoked)).toBe('LICENSE_REVOKED');
    expect(denialAt('2026-06-01T10:00:00.501Z', revoked)).toBe('LICENSE_REVOKED');
  });

  it.each([
    ['a legacy license that was revoked', { kind: 'legacy' }, '2026-07-01', 'LICENSE_NOT_CLOUD'],
    ['a revoked license before its start', {}, '2025-07-01', 'LICENSE_REVOKED'],
    ['a revoked license after its grace', {}, '2028-07-01', 'LICENSE_REVOKED'],
  ] as const)('names the first that stands against %s', (_which, changed, instant, denial) => {
    const revokedAt = new Date('2025-01-01T00:00:00Z');
    expect(denialAt(instant, { revokedAt, ...changed })).toBe(denial);
  });
});

describe('graceEndsAt', () => {
  it.each([
    ['2027-01-01', '2027-01-15T00:00:00.000Z'],
    ['2026-12-25', '2027-01-08T00:00:00.000Z'],
    ['2024-02-16', '2024-03-01T00:00:00.000Z'],
    ['2025-02-16', '2025-03-02T00:00:00.000Z'],
    // Clocks change in between, but not in UTC.
    ['2026-03-20', '2026-04-03T00:00:00.000Z'],
  ])('is 14 days after %s, at 00:00 UTC: %s', (expiresOn, instant) => {
    expect(graceEndsAt({ expiresOn }).toISOString()).toBe(instant);
  });
});
