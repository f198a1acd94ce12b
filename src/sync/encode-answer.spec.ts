import fc from 'fast-check';
import { EncodedJson, encodeAnswer } from './encode-answer.js';

const answers = fc.jsonValue({ stringUnit: 'binary' });
/** Everything that a replacement by pattern or a second quoting would trip over. */
const traps = fc.constantFrom(
  '$&',
  "$'",
  '$`',
  '$1 $<name> $$',
  '"quoted" \\ and \\" again',
  '\\u0000',
  '"\\u0000"',
  '\\"\\u00000\\u0000\\"',
  '\u2028 \u2029',
  'ключ 鍵 🔑',
  '\ud800',
  'end\\',
  '',
);

/** Without the single NUL that no answer holds. */
const parts = fc.oneof(
  traps,
  fc.dictionary(fc.oneof(traps, fc.string()), traps, { maxKeys: 4 }),
  answers.filter((value) => !JSON.stringify(value).includes('"\\u0000"')),
);

describe('encodeAnswer', () => {
  it('is JSON.stringify in UTF-8 for an answer without ready-made JSON', () => {
    fc.assert(
      fc.property(parts, (answer) => {
        expect(encodeAnswer(answer)).toEqual(Buffer.from(JSON.stringify(answer)));
      }),
    );
  });

  it('is the same text as JSON.stringify makes of the answer with ready-made JSON in it', () => {
    const readyMade = fc.oneof(traps, answers, fc.dictionary(traps, traps));
    fc.assert(
      fc.property(parts, readyMade, readyMade, parts, (before, one, other, after) => {
        const answerWith = (first: unknown, second: unknown) => ({
          before,
          access: { catalog: first, list: [second, first, null], token: 'e30.e30.sig' },
          after,
        });
        const encoded = (value: unknown) => new EncodedJson(JSON.stringify(value));
        expect(encodeAnswer(answerWith(encoded(one), encoded(other))).toString()).toBe(
          Buffer.from(JSON.stringify(answerWith(one, other))).toString(),
        );
      }),
    );
  });

  it('copies ready-made JSON, white space and order included', () => {
    const text = '{ "b": 1,\n  "a": "$& \\u0000 é" }';
    const catalog = new EncodedJson(text);
    expect(encodeAnswer({ data: { catalog } }).toString()).toBe(`{"data":{"catalog":${text}}}`);
    expect(encodeAnswer(catalog).toString()).toBe(text);
  });

  it('puts the same catalog under every alias that was asked for', () => {
    const catalog = new EncodedJson('{"a":1}');
    expect(JSON.parse(encodeAnswer({ one: catalog, two: catalog }).toString())).toEqual({
      one: { a: 1 },
      two: { a: 1 },
    });
  });
});
