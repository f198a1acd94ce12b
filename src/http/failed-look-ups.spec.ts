import { FakeClock } from '../../test/support/fake-clock.js';
import { FailuresByAddress } from './failed-look-ups.js';

const BURST = 100;
const ADDRESS = '192.0.2.1';

describe('FailuresByAddress', () => {
  let clock: FakeClock;
  let failures: FailuresByAddress;

  beforeEach(() => {
    clock = new FakeClock(new Date('2026-06-15T12:00:00Z'));
    failures = new FailuresByAddress(clock, BURST);
  });

  /** The answer to each of `times` failures at once. */
  function fail(times: number, address = ADDRESS): (number | null)[] {
    return Array.from({ length: times }, () => failures.count(address));
  }

  function isLimited(address: string): boolean {
    return failures.count(address) !== null;
  }

  it('lets an address fail a hundred times at once, and no more', () => {
    expect(fail(BURST)).toEqual(Array(BURST).fill(null));
    expect(failures.count(ADDRESS)).toBeGreaterThan(0);
  });

  it('forgets one failure a second', () => {
    fail(BURST);
    clock.advance(60_000);
    expect(fail(60)).toEqual(Array(60).fill(null));
    clock.advance(999);
    expect(isLimited(ADDRESS)).toBe(true);
  });

  it('lets an address that failed once a second go on for good', () => {
    fail(BURST - 1);
    for (let second = 0; second < 1000; second += 1) {
      clock.advance(1000);
      expect(isLimited(ADDRESS)).toBe(false);
    }
  });

  it.each([BURST + 1, BURST + 2, 5000])(
    'after %d failures tells how long to wait, and keeps its word',
    (times) => {
      const seconds = fail(times).at(-1) ?? 0;
      expect(Number.isInteger(seconds)).toBe(true);
      expect(seconds).toBeLessThanOrEqual(5);
      clock.advance(seconds * 1000);
      expect(isLimited(ADDRESS)).toBe(false);
    },
  );

  it('is right about the wait also between two seconds', () => {
    fail(BURST);
    clock.advance(600);
    const seconds = failures.count(ADDRESS) ?? 0;
    clock.advance(seconds * 1000);
    expect(isLimited(ADDRESS)).toBe(false);
  });

  it('counts each address by itself', () => {
    fail(BURST + 1);
    expect(isLimited('192.0.2.2')).toBe(false);
    expect(isLimited(ADDRESS)).toBe(true);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:db8::1', '2001:db8::2'],
    ['2001:db8::1', '2001:db8:0:0:1:2:3:4'],
    ['2001:db8::1:2:3:4', '2001:db8:0:0::5'],
    ['2001:db8:1::', '2001:db8:1::2'],
    ['::1', '0:0:0:0::2'],
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
  ])('counts %s and %s as one: a customer has one IPv4 address, or a whole /64', (one, other) => {
    fail(BURST, one);
    expect(isLimited(other)).toBe(true);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['2001:db8:1::1', '2001:db8:1:1::1'],
    ['2001:db8::1', '2001:db8:0:1::1'],
    ['2001:db8::', '2001:db9::'],
    ['::1', '::1:0:0:0:0'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2'],
    ['192.0.2.1', '192.0.2.11'],
  ])('counts %s and %s as two', (one, other) => {
    fail(BURST + 1, one);
    expect(isLimited(other)).toBe(false);
  });

  it('works when the clock is set back', () => {
    fail(2);
    clock.advance(-3_600_000);
    expect(fail(BURST - 2)).toEqual(Array(BURST - 2).fill(null));
    expect(isLimited(ADDRESS)).toBe(true);
  });

  it('remembers ten thousand addresses, and forgets first the one that failed longest ago', () => {
    const strangers = Array.from(
      { length: 9_998 },
      (_, index) => `10.0.${index >> 8}.${index % 256}`,
    );
    fail(BURST, '192.0.2.21');
    fail(BURST, '192.0.2.22');
    for (const stranger of strangers) failures.count(stranger);
    expect(isLimited('192.0.2.21')).toBe(true);
    failures.count('10.1.0.0');
    expect(isLimited('192.0.2.21')).toBe(true);
    expect(isLimited('192.0.2.22')).toBe(false);
  });
});
