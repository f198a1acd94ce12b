import { entityTag, requireMatch } from './entity-tag.js';

const REFUSED = expect.objectContaining({ code: 'PRECONDITION_FAILED' }) as Error;

describe('entityTag', () => {
  it('is a strong tag of the version', () => {
    expect(entityTag(7)).toBe('"7"');
  });
});

describe('requireMatch', () => {
  it.each([undefined, '*', '"7"', '"1", "7"', '"1","7" , "9"', ' "7" '])(
    'lets a change pass that was made with If-Match %j while the version is 7',
    (ifMatch) => {
      expect(() => {
        requireMatch(ifMatch, 7);
      }).not.toThrow();
    },
  );

  it.each([
    ['of an older version', '"6"'],
    ['of several older versions', '"5", "6"'],
    ['that only starts like it', '"70"'],
    ['without quotes', '7'],
    ['that is weak (RFC 9110 section 13.1.1)', 'W/"7"'],
    ['that is empty', ''],
  ])('refuses a change made with a tag %s', (_which, ifMatch) => {
    expect(() => {
      requireMatch(ifMatch, 7);
    }).toThrow(REFUSED);
  });
});
