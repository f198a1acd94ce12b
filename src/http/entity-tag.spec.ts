import { entityTag, requireMatch } from './entity-tag.js';

const REFUSED = expect.objectContaining({ code: 'PRECONDITION_FAILED' }) as Error;

describe('entityTag', () => {
  it('is a strong tag of the version', () => {
    expect(entityTag(7)).toBe('"7"');
  });
});

describe('requireMatch', () => {
  it.each([
    ...[undefined, '*', '"7"', '"1", "7"', '"1","7" , "9"', ' "7" '],
    ...['W/"7"', '"7-gzip"', 'W/"7-gzip"', '"7-br"', '"7;gzip"', '"7--gzip"', '"1-gzip", "7-zstd"'],
  ])('lets a change pass that was made with If-Match %j while the version is 7', (ifMatch) => {
    expect(() => {
      requireMatch(ifMatch, 7);
    }).not.toThrow();
  });

  it.each([
    ['of an older version', '"6"'],
    ['of several older versions', '"5", "6"'],
    ['that only starts like it', '"70"'],
    ['without quotes', '7'],
    ['of an older version, weak', 'W/"6"'],
    ['of an older version, compressed', '"6-gzip"'],
    ['with another end', '"7-x"'],
    ['with two codings', '"7-gzip-gzip"'],
    ['with the coding outside of it', '"7"-gzip'],
    ['whose mark is in lower case', 'w/"7"'],
    ['that is empty', ''],
  ])('refuses a change made with a tag %s', (_which, ifMatch) => {
    expect(() => {
      requireMatch(ifMatch, 7);
    }).toThrow(REFUSED);
  });
});
