import { type Seen, type Sighting, withSightings } from './sightings.js';

const DAY = 86_400_000;
const START = Date.parse('2026-03-01T00:00:00Z');
const at = (day: number): Date => new Date(START + day * DAY);

function sighting(value: string, from: number, to = from, requests = 1): Sighting {
  return {
    value,
    requests,
    firstSeenAt: at(from),
    lastSeenAt: at(to),
    previousKeyLastUsedAt: null,
  };
}
/** One look for each day, whose sightings come in any order. */
function seenOn(days: readonly (readonly [number, ...Sighting[]])[]): readonly Seen[] {
  return days.reduce<readonly Seen[]>(
    (kept, [day, ...sightings]) => withSightings(kept, sightings, at(day)),
    [],
  );
}
const requestsOf = (seen: readonly Seen[]) =>
  Object.fromEntries(seen.map(({ value, requests }) => [value, requests]));

describe('what is kept of networks and host names', () => {
  it('is the number of requests, and the first and the last time', () => {
    const seen = seenOn([
      [1, sighting('a', 0, 1, 5)],
      [3, sighting('b', 2), sighting('a', 3, 3, 2)],
    ]);
    expect(seen).toEqual([
      { ...sighting('a', 0, 3, 7), returned: { at: at(3), after: 'b' } },
      { ...sighting('b', 2), returned: null },
    ]);
  });

  it('is dropped 14 days after it was last seen, and not before', () => {
    const a = sighting('a', 0);
    expect(requestsOf(withSightings(seenOn([[0, a]]), [], at(13.999)))).toEqual({ a: 1 });
    expect(withSightings(seenOn([[0, a]]), [], at(14))).toEqual([]);
  });

  it('is 20 values at most: a flood of new ones shares one place and pushes out none', () => {
    const flood = Array.from({ length: 100 }, (_, index) => sighting(`flood ${index}`, 2));
    const seen = seenOn([
      [1, sighting('known', 0)],
      [2, ...flood],
      [3, sighting('known', 3), sighting('late', 3)],
    ]);
    expect(seen).toHaveLength(20);
    expect(requestsOf(seen)).toMatchObject({ known: 2, 'flood 0': 1, other: 83 });
  });

  it('says when a previous license key last came', () => {
    const withPreviousKey = { ...sighting('a', 1), previousKeyLastUsedAt: at(1) };
    const [seen] = seenOn([
      [1, withPreviousKey],
      [2, sighting('a', 2)],
    ]);
    expect(seen?.previousKeyLastUsedAt).toEqual(at(1));
  });

  it('takes an older sighting of another replica that is written later', () => {
    const [seen] = seenOn([
      [3, sighting('a', 3)],
      [3, sighting('a', 2)],
    ]);
    expect(seen).toEqual({ ...sighting('a', 2, 3, 2), returned: null });
  });
});

describe('a return', () => {
  const returnOf = (value: string, seen: readonly Seen[]) =>
    seen.find((one) => one.value === value)?.returned ?? null;

  it.each<[string, readonly Sighting[]]>([
    ['comes again and again', [sighting('a', 0), sighting('a', 1), sighting('a', 2)]],
    ['comes first', [sighting('a', 0), sighting('b', 1), sighting('b', 2)]],
    ['comes back after more than a week', [sighting('a', 0), sighting('b', 1), sighting('a', 7.1)]],
    [
      'comes at the same instant as another',
      [sighting('a', 0), sighting('b', 0), sighting('a', 0)],
    ],
  ])('is none when a value %s', (_case, sightings) => {
    expect(returnOf('a', withSightings([], sightings, at(8)))).toBeNull();
  });

  it('is seen within one look, and from one look to another', () => {
    const days = [sighting('a', 0), sighting('b', 1), sighting('a', 2)];
    const expected = { at: at(2), after: 'b' };
    expect(returnOf('a', withSightings([], days, at(2)))).toEqual(expected);
    expect(returnOf('a', seenOn(days.map((one, day) => [day, one])))).toEqual(expected);
  });

  it('is seen where two were counted together in one look', () => {
    const seen = withSightings([], [sighting('a', 0, 2), sighting('b', 1, 3)], at(3));
    expect(returnOf('a', seen)).toEqual({ at: at(2), after: 'b' });
    expect(returnOf('b', seen)).toEqual({ at: at(3), after: 'a' });
  });

  it('names the one that has been known longest of those that came between', () => {
    const between = [sighting('b', 1), sighting('a', 2), sighting('c', 3), sighting('b', 4)];
    const seen = withSightings([], [sighting('a', 0), ...between, sighting('a', 5)], at(5));
    expect(returnOf('a', seen)).toEqual({ at: at(5), after: 'b' });
  });
});
