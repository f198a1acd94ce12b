import { cleanerWithout } from './foreign-text.js';

const KEY = 'eyJkYXRhIjoi/one+line==\nanother-line-of-it\nend';

describe('what an issuer wrote', () => {
  const clean = cleanerWithout(KEY, 'CODEcodeCODEcodeCODEcode');

  it.each([
    [`no license has the key ${KEY}.`, 'no license has the key [removed].'],
    [`line 2 is another-line-of-it`, 'line 2 is [removed]'],
    ['the code CODEcodeCODEcodeCODEcode is unknown', 'the code [removed] is unknown'],
    ['a token: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', 'a token: [removed]'],
    ['all good\n2026-11-23 error forged', 'all good 2026-11-23 error forged'],
    ['\u001b[31mred\u001b[0m \u202Eevil', '[31mred [0m  evil'],
    ['the end', 'the end'],
  ])('%j is shown as %j', (text, shown) => {
    expect(clean(text)).toBe(shown);
  });

  it('is cut after 300 characters', () => {
    expect(clean('x'.repeat(300))).toHaveLength(300);
    expect(clean('x'.repeat(301))).toBe(`${'x'.repeat(299)}…`);
  });

  it('is not searched for empty secrets', () => {
    expect(cleanerWithout('', ' ')('a b')).toBe('a b');
  });
});
