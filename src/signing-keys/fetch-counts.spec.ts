import fc from 'fast-check';
import { type FetchCount, FetchCounts, oneFetch } from './fetch-counts.js';

const NOW = new Date('2026-06-15T12:00:00Z');
const LATER = new Date('2026-06-15T12:00:10Z');

function fetchOf(userAgent: string | undefined, address = '192.0.2.1', now = NOW): FetchCount {
  return oneFetch('a-kid', userAgent, address, now);
}

function countsOf(fetches: readonly FetchCount[]): FetchCount[] {
  const counts = new FetchCounts();
  for (const fetch of fetches) counts.add(fetch);
  return counts.all();
}

describe('a fetch of the key set', () => {
  it.each([
    ['nobody', undefined, 'none'],
    ['an empty name', '', 'none'],
    ['blanks', '  ', 'none'],
    ['controls alone', '\u0001\u0085\u00ad', 'none'],
    ['a usual name', ' python-httpx/0.28.1 ', 'python-httpx/0.28.1'],
    ['lines of a log', 'a\tb\r\n{"level":"fatal"}\u001b[2J', 'ab{"level":"fatal"}[2J'],
    ['text that runs backwards', 'evil\u202egnp.exe\u200b\u2028', 'evilgnp.exe'],
    ['120 characters', 'x'.repeat(120), 'x'.repeat(120)],
    ['121 characters', 'x'.repeat(121), 'x'.repeat(120)],
    ['all that fits into a header', 'x'.repeat(16_000), 'x'.repeat(120)],
    ['a character that is cut in two', `${'x'.repeat(119)}\u{1f600}`, 'x'.repeat(119)],
  ])('by %s is counted under what can be shown of it', (_what, header, userAgent) => {
    expect(fetchOf(header).userAgent).toBe(userAgent);
  });

  it.each([
    ['192.0.2.77', '192.0.2.0/24'],
    ['::ffff:192.0.2.77', '192.0.2.0/24'],
    ['2001:db8:1:2::3', '2001:db8:1::/48'],
    ['unknown', 'other'],
    ['<script>', 'other'],
    ['', 'other'],
  ])('from %s is counted under %s', (address, network) => {
    expect(fetchOf('curl', address).network).toBe(network);
  });
});

describe('the counts of fetches', () => {
  it('keep the first and the last instant, in whichever order they come', () => {
    const fetches = [fetchOf('a', '192.0.2.1', LATER), fetchOf('a', '192.0.2.2', NOW)];
    expect(countsOf(fetches)).toEqual([
      { ...fetchOf('a'), fetches: 2, firstFetchedAt: NOW, lastFetchedAt: LATER },
    ]);
  });

  it('are kept apart by key, user agent and network', () => {
    const fetches = [
      fetchOf('a'),
      fetchOf('b'),
      fetchOf('a', '192.0.3.1'),
      oneFetch('another-kid', 'a', '192.0.2.1', NOW),
    ];
    expect(countsOf(fetches)).toEqual(fetches);
  });

  it('give a network ten user agents, and count the others of it together', () => {
    const fetches = Array.from({ length: 1000 }, (_, index) => fetchOf(`agent ${index}`));
    const counts = countsOf([...fetches, fetchOf('honest', '198.51.100.1'), fetchOf('agent 3')]);
    expect(counts).toHaveLength(12);
    expect(counts.find(({ userAgent }) => userAgent === 'honest')?.fetches).toBe(1);
    expect(counts.find(({ userAgent }) => userAgent === 'agent 3')?.fetches).toBe(2);
    expect(counts.filter(({ userAgent }) => userAgent === 'other')).toEqual([
      { ...fetchOf('other'), fetches: 990 },
    ]);
  });

  it('are in two hundred places at most, of which the last is for all who find none', () => {
    const networks = (count: number) =>
      Array.from({ length: count }, (_, index) =>
        fetchOf('a', `10.${index >> 8}.${index % 256}.1`),
      );
    expect(countsOf(networks(199)).filter(({ network }) => network === 'other')).toEqual([]);
    const counts = countsOf([...networks(201), ...networks(201)]);
    expect(counts).toHaveLength(200);
    expect(counts.at(-1)).toMatchObject({ userAgent: 'other', network: 'other', fetches: 4 });
  });

  it('lose no fetch and stay bounded under any input', () => {
    const agents = fc.oneof(
      fc.constant(undefined),
      fc.string({ unit: 'binary' }),
      fc.nat(30).map(String),
    );
    const addresses = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string());
    const kids = fc.constantFrom('one', 'two');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(kids, agents, addresses), { maxLength: 1000, size: 'max' }),
        (sent) => {
          const counts = countsOf(sent.map(([kid, ...client]) => oneFetch(kid, ...client, NOW)));
          expect(counts.reduce((sum, { fetches }) => sum + fetches, 0)).toBe(sent.length);
          for (const kid of ['one', 'two']) {
            const ofKey = counts.filter(({ newestKid }) => newestKid === kid);
            expect(ofKey.length).toBeLessThanOrEqual(200);
          }
          const again = countsOf(counts);
          expect(again).toEqual(counts);
        },
      ),
      { numRuns: 30 },
    );
  });
});
