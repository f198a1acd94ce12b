import { type InstanceUse, type LicenseUse, type Suspicion, suspicionsOf } from './suspicions.js';

const DAY = 86_400_000;
const START = Date.parse('2026-03-01T00:00:00Z');
const at = (day: number): Date => new Date(START + day * DAY);

const BASE: LicenseUse = {
  licenseId: 'one',
  customerRef: null,
  renewsLicenseId: null,
  expiresOn: '2027-03-01',
  revokedAt: null,
  firstSeenAt: at(0),
  lastSeenAt: at(30),
};
const ALONE: InstanceUse = {
  networks: [],
  hostNames: [],
  license: BASE,
  otherLicenses: [],
  absurdSeatLinkAt: null,
};

const reasons = (found: readonly Suspicion[]) => found.map(({ reason }) => reason);

describe('two licenses with one instance UUID', () => {
  const found = (one: Partial<LicenseUse>, other: Partial<LicenseUse>, now = 20) => {
    const otherLicenses = [{ ...BASE, licenseId: 'two', ...other }];
    const use = { ...ALONE, license: { ...BASE, ...one }, otherLicenses };
    return suspicionsOf(use, [], at(now));
  };
  const before = { firstSeenAt: at(0), lastSeenAt: at(10) };
  const after = { firstSeenAt: at(10), lastSeenAt: at(20) };

  it.each<[string, Partial<LicenseUse>, Partial<LicenseUse>]>([
    ['the first one ends within 90 days', { expiresOn: '2026-06-09' }, {}],
    ['the first one is over', { expiresOn: '2026-03-05' }, {}],
    ['the first one was revoked', { revokedAt: at(9) }, {}],
    ['both belong to one customer', { customerRef: 'C-1' }, { customerRef: 'C-1' }],
  ])('are not suspicious one after the other where %s', (_case, one, other) => {
    expect(found({ ...before, ...one }, { ...after, ...other })).toEqual([]);
    expect(found({ ...after, ...other }, { ...before, ...one })).toEqual([]);
    // A seat link of the license before was sent again for two days.
    const handover = { ...before, lastSeenAt: at(13) };
    expect(found({ ...handover, ...one }, { ...after, ...other })).toEqual([]);
  });

  it('are not suspicious one after the other where the second one renews the first one', () => {
    expect(found(before, { ...after, renewsLicenseId: 'one' })).toEqual([]);
    expect(reasons(found(before, { ...after, renewsLicenseId: 'three' }))).toEqual([
      'TWO_LICENSES',
    ]);
    expect(reasons(found({ ...before, renewsLicenseId: 'two' }, after))).toEqual(['TWO_LICENSES']);
  });

  it.each<[string, Partial<LicenseUse>, Partial<LicenseUse>]>([
    ['one after the other, while the first one has long to go', before, after],
    [
      'one after the other, of two customers',
      { ...before, customerRef: 'C-1' },
      { ...after, customerRef: 'C-2' },
    ],
    [
      'side by side for three days, of one customer',
      { ...before, customerRef: 'C', lastSeenAt: at(13.1) },
      { ...after, customerRef: 'C' },
    ],
    [
      'side by side, although the first one was revoked',
      { ...before, revokedAt: at(9), lastSeenAt: at(13.1) },
      after,
    ],
  ])('are suspicious %s, seen from either', (_case, one, other) => {
    for (const suspicions of [found(one, other), found(other, one)]) {
      expect(reasons(suspicions)).toEqual(['TWO_LICENSES']);
      expect(suspicions[0]?.since).toEqual(at(10));
    }
  });

  it('are suspicious for 14 days after one of the two was last used', () => {
    expect(found(before, after, 23.9)).toHaveLength(1);
    expect(found(before, after, 24)).toEqual([]);
  });
});

describe('an absurd seat link', () => {
  it('is suspicious for 14 days', () => {
    const use = { ...ALONE, absurdSeatLinkAt: at(1) };
    const suspicion = { reason: 'ABSURD_SEAT_LINK', since: at(1), lastAt: at(1), values: [] };
    expect(suspicionsOf(use, [], at(14.9))).toEqual([suspicion]);
    expect(suspicionsOf(use, [], at(15))).toEqual([]);
  });

  it('is since the first of several', () => {
    const known = suspicionsOf({ ...ALONE, absurdSeatLinkAt: at(1) }, [], at(1));
    const [again] = suspicionsOf({ ...ALONE, absurdSeatLinkAt: at(9) }, known, at(9));
    expect(again).toMatchObject({ since: at(1), lastAt: at(9) });
  });
});
