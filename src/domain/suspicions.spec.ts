import { type Sighting, withSightings } from './sightings.js';
import { type InstanceUse, type Suspicion, suspicionsOf } from './suspicions.js';

const DAY = 86_400_000;
const START = Date.parse('2026-03-01T00:00:00Z');
const at = (day: number): Date => new Date(START + day * DAY);

const [A, B, C] = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'];
const [A6, B6] = ['2001:db8:1::/48', '2001:db8:2::/48'];

type Visit = readonly [value: string, ...days: number[]];
const ALONE: InstanceUse = {
  networks: [],
  hostNames: [],
  license: {
    licenseId: 'one',
    customerRef: null,
    renewsLicenseId: null,
    expiresOn: '2027-03-01',
    revokedAt: null,
    firstSeenAt: at(0),
    lastSeenAt: at(30),
  },
  otherLicenses: [],
  absurdSeatLinkAt: null,
};

/** Written day by day, as it would be. */
function seen(visits: readonly Visit[], until = 60) {
  const sightings = visits
    .flatMap(([value, ...days]) =>
      days.map((day): Sighting => {
        const seenAt = at(day);
        const times = { firstSeenAt: seenAt, lastSeenAt: seenAt, previousKeyLastUsedAt: null };
        return { value, requests: 1, ...times };
      }),
    )
    .sort((one, other) => one.firstSeenAt.getTime() - other.firstSeenAt.getTime())
    .filter(({ firstSeenAt }) => firstSeenAt <= at(until));
  return sightings.reduce<ReturnType<typeof withSightings>>(
    (kept, one) => withSightings(kept, [one], one.firstSeenAt),
    [],
  );
}
const days = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
/** What is found when each day is judged with what was found before. */
function judgedDaily(visits: readonly Visit[], kind: 'networks' | 'hostNames', to: number) {
  return days(0, to, 0.5).reduce<readonly Suspicion[]>(
    (known, day) => suspicionsOf({ ...ALONE, [kind]: seen(visits, day) }, known, at(day)),
    [],
  );
}
function foundOnAnyDay(visits: readonly Visit[], kind: 'networks' | 'hostNames', to: number) {
  return days(0, to, 0.5).flatMap((day) =>
    suspicionsOf({ ...ALONE, [kind]: seen(visits, day) }, [], at(day)),
  );
}
const reasons = (found: readonly Suspicion[]) => found.map(({ reason }) => reason);

describe('networks', () => {
  it.each<[string, readonly Visit[]]>([
    ['one network', [[A, ...days(0, 20)]]],
    [
      'a move',
      [
        [A, ...days(0, 10)],
        [B, ...days(11, 20)],
      ],
    ],
    [
      'a move that is taken back',
      [
        [A, ...days(0, 10), ...days(13, 20)],
        [B, 11, 12],
      ],
    ],
    [
      'a fail-over and its end within a day',
      [
        [A, ...days(0, 10), ...days(11, 20)],
        [B, 10.5],
      ],
    ],
    [
      'a move, a fail-over and its end in the first week',
      [
        [C, 0],
        [A, 1, 3, 4],
        [B, 2],
      ],
    ],
    ['another address each day', days(0, 19).map((day): Visit => [`10.0.${day}.0/24`, day])],
    [
      'IPv4 and IPv6 from the start',
      [
        [A, ...days(0, 20)],
        [A6, ...days(0.5, 20)],
      ],
    ],
    [
      'IPv6 rarely, first after six days',
      [
        [A, ...days(0, 20)],
        [A6, 6.5, 7.5, 9.5],
      ],
    ],
    [
      'a second network from long before, in use again',
      [
        [A, ...days(0, 40, 2)],
        [B, 0.5, 13.5, 27, 27.5, 39.5],
      ],
    ],
  ])('are not suspicious with %s', (_case, visits) => {
    expect(foundOnAnyDay(visits, 'networks', 20)).toEqual([]);
  });

  it.each<[string, readonly Visit[], readonly string[]]>([
    [
      'an hour',
      [
        [A, ...days(0, 10)],
        [B, 9.1, 10.1],
      ],
      [A, B],
    ],
    [
      'three days, as tokens last',
      [
        [A, ...days(0, 20)],
        [B, 10.5, 13.5, 16.5, 19.5],
      ],
      [A, B],
    ],
    [
      'a week',
      [
        [A, ...days(0, 20)],
        [B, 10.5, 17.5],
      ],
      [A, B],
    ],
    [
      'a day, from its very first day on',
      [
        [A, 0, 0.5, 1],
        [B, 0.2, 0.7],
      ],
      [A, B],
    ],
    [
      'a day, beside IPv4 and IPv6',
      [
        [A, ...days(0, 12)],
        [A6, ...days(0.2, 12)],
        [B6, 9.6, 10.6],
      ],
      [A, B6],
    ],
    [
      'a day, by IPv6 after a week of IPv4 alone',
      [
        [A, ...days(0, 12)],
        [A6, 8.5, 9.5],
      ],
      [A, A6],
    ],
    [
      'a day, by IPv4 after a week of IPv6 alone',
      [
        [A6, ...days(0, 12)],
        [A, 8.5, 9.5],
      ],
      [A6, A],
    ],
  ])(
    'are suspicious where a new one is used in turns with a known one for %s',
    (_c, visits, values) => {
      const last = Math.max(...visits.slice(1).flatMap(([, ...on]) => on));
      const found = judgedDaily(visits, 'networks', last + 0.5);
      expect(reasons(found)).toEqual(['NEW_NETWORK']);
      expect(found[0]?.values).toEqual(values);
    },
  );

  it('are suspicious as long as 14 days from the last turn on, and then known', () => {
    const visits: Visit[] = [
      [A, ...days(0, 60)],
      [B, ...days(10.5, 59.5)],
    ];
    const [found] = judgedDaily(visits, 'networks', 18);
    expect(found).toEqual({
      ...{ reason: 'NEW_NETWORK', since: at(10.5), lastAt: at(17.5), values: [A, B] },
    });
    expect(reasons(judgedDaily(visits, 'networks', 31))).toEqual(['NEW_NETWORK']);
    expect(judgedDaily(visits, 'networks', 31.5)).toEqual([]);
    expect(judgedDaily(visits, 'networks', 60)).toEqual([]);
  });

  it('are one suspicion with the newest of several networks', () => {
    const visits: Visit[] = [
      [A, ...days(0, 20)],
      [B, 10.2, 11.2],
      [C, 12.4, 13.4],
    ];
    expect(judgedDaily(visits, 'networks', 15)).toEqual([
      { reason: 'NEW_NETWORK', since: at(10.2), lastAt: at(13.4), values: [A, C] },
    ]);
  });

  it('are suspicious where a flood of new ones shares the last place', () => {
    const flood = days(0, 30).map((index): Visit => [`10.0.${index}.0/24`, 10 + index / 100]);
    const visits: Visit[] = [[A, ...days(0, 9), 10.11, 10.21], ...flood];
    expect(reasons(judgedDaily(visits, 'networks', 11))).toEqual(['NEW_NETWORK']);
  });
});

describe('host names', () => {
  it.each<[string, readonly Visit[]]>([
    ['one name', [['a', ...days(0, 20)]]],
    [
      'a new name',
      [
        ['a', ...days(0, 10)],
        ['b', ...days(11, 20)],
      ],
    ],
    [
      'the first name again after eight days',
      [
        ['a', 0, 10],
        ['b', 2, 9],
      ],
    ],
  ])('are not suspicious with %s', (_case, visits) => {
    expect(foundOnAnyDay(visits, 'hostNames', 20)).toEqual([]);
  });

  it('are suspicious once the first one comes back within a week', () => {
    const visits: Visit[] = [
      ['a', 0, 7],
      ['b', 3],
    ];
    expect(judgedDaily(visits, 'hostNames', 6.5)).toEqual([]);
    expect(judgedDaily(visits, 'hostNames', 7)).toEqual([
      { reason: 'HOST_NAME_FLIPS', since: at(3), lastAt: at(7), values: ['a', 'b'] },
    ]);
    expect(judgedDaily(visits, 'hostNames', 21)).toEqual([]);
  });
});
