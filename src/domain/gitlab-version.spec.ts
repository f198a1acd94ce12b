import fc from 'fast-check';
import { type GitlabVersion, parseGitlabVersion, reachesVersion } from './gitlab-version.js';

function version(text: string): GitlabVersion {
  const parsed = parseGitlabVersion(text);
  if (!parsed) throw new Error(`${text} is not a version`);
  return parsed;
}

/** Few different numbers, so that versions are often equal up to some part. */
const versions = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 11 }), fc.maxSafeNat()), {
    minLength: 2,
    maxLength: 3,
  })
  .map((parts) => version(parts.join('.')));

describe('parseGitlabVersion', () => {
  it.each([
    ['19.4.0-ee', [19, 4, 0]],
    ['17.5.0', [17, 5, 0]],
    ['14.1.0-pre', [14, 1, 0]],
    ['17.4', [17, 4, 0]],
    ['17.4-ee', [17, 4, 0]],
    ['17.4.', [17, 4, 0]],
    ['17.4.x', [17, 4, 0]],
    ['17.10.12.13', [17, 10, 12]],
    ['17.5.3rc1', [17, 5, 3]],
    ['017.05.01', [17, 5, 1]],
    ['0.0', [0, 0, 0]],
  ])('reads %j as %j and keeps how it was written', (text, parts) => {
    expect(parseGitlabVersion(text)).toEqual({ text, parts });
  });

  it.each([
    ['18.5.0-rc42.ee+build_7', '18.5.0-rc42.ee+build_7'],
    ['18.5.0 (f00)', '18.5.0'],
    ['18.5.0\n19.0.0\n', '18.5.0'],
    ['18.5.0\u0000', '18.5.0'],
    ["18.5'; DROP TABLE issued_tokens", '18.5'],
    ['18.5.0-é', '18.5.0-'],
    [`18.5.0-${'x'.repeat(57)}`, `18.5.0-${'x'.repeat(57)}`],
    [`18.5.0-${'x'.repeat(58)}`, `18.5.0-${'x'.repeat(57)}`],
    [`18.5.0-${'x'.repeat(60_000)}`, `18.5.0-${'x'.repeat(57)}`],
  ])('keeps of %j only %j, which is safe to repeat and to store', (given, text) => {
    expect(version(given).text).toBe(text);
  });

  it('reads the whole version, even when its text was cut', () => {
    const padded = `${'0'.repeat(70)}18.${'0'.repeat(70)}5.1`;
    expect(parseGitlabVersion(padded)?.parts).toEqual([18, 5, 1]);
    expect(parseGitlabVersion(`${'0'.repeat(2000)}18.5.1`)).toBeNull();
  });

  it.each(['', '17', '17.', '.5', 'v17.5', ' 17.5', '-17.5', '17,5', '17.x', 'latest', '١٧.٥'])(
    'takes %j for no version',
    (text) => {
      expect(parseGitlabVersion(text)).toBeNull();
    },
  );
});

describe('reachesVersion', () => {
  it.each([
    ['16.9', '16.9'],
    ['16.9.0', '16.9'],
    ['16.9', '16.9.0'],
    ['16.9.0-pre', '16.9'],
    ['16.9.1', '16.9'],
    ['16.10.0', '16.9'],
    ['17.0', '16.11.9'],
    ['16.9.10', '16.9.9'],
    ['100.0', '99.9.9'],
  ])('lets %s pass a minimum of %s', (given, minimum) => {
    expect(reachesVersion(version(given), version(minimum))).toBe(true);
  });

  it.each([
    ['16.8.99', '16.9'],
    ['16.9', '16.10'],
    ['16.9.9', '16.9.10'],
    ['16.9', '16.9.1'],
    ['15.11.0', '16.0'],
    ['9.9.9', '10.0'],
  ])('stops %s at a minimum of %s', (given, minimum) => {
    expect(reachesVersion(version(given), version(minimum))).toBe(false);
  });

  it('asks nothing of a null version, and nothing without a minimum', () => {
    expect(reachesVersion(null, version('99.0'))).toBe(true);
    expect(reachesVersion(version('0.1'), null)).toBe(true);
    expect(reachesVersion(null, null)).toBe(true);
  });

  it('orders versions totally: each reaches itself, and of two at least one the other', () => {
    fc.assert(
      fc.property(versions, versions, (one, other) => {
        expect(reachesVersion(one, one)).toBe(true);
        const there = reachesVersion(one, other);
        const back = reachesVersion(other, one);
        expect(there || back).toBe(true);
        expect(there && back).toBe(one.parts.join() === other.parts.join());
      }),
    );
  });

  it('orders versions transitively', () => {
    fc.assert(
      fc.property(versions, versions, versions, (high, middle, low) => {
        fc.pre(reachesVersion(high, middle) && reachesVersion(middle, low));
        expect(reachesVersion(high, low)).toBe(true);
      }),
    );
  });

  it('ignores everything after the numbers', () => {
    const suffixes = fc.constantFrom('-ee', '-pre', '+build', ' (abc)', '.x', '-rc42-ee');
    fc.assert(
      fc.property(versions, versions, suffixes, (one, other, suffix) => {
        const decorated = version(`${one.parts.join('.')}${suffix}`);
        expect(reachesVersion(decorated, other)).toBe(reachesVersion(one, other));
      }),
    );
  });
});
