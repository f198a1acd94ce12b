import { parseStrictObject } from './strict-json.js';

const parse = (text: string) => parseStrictObject(Buffer.from(text));

describe('a strict JSON object', () => {
  it.each([
    '{}',
    '{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}',
    '{"a":"\\"a\\":{}\\\\","b":":a"}',
    '{"a":["a","a"],"b":"a"}',
    ' {"a" : "b"} ',
  ])('may be %s', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"b":{"a":1,"b":2,"a":3}}',
    '{"c":[{"a":1,"a":2}]}',
    '{"a":{"x":[]},"a":{}}',
    '{"a":1,}',
    "{'a':1}",
    '{"a":NaN}',
    '{"a":1}{"a":2}',
    '\ufeff{}',
    '[]',
    'null',
    '"{}"',
    '',
  ])('may not be %s', (text) => {
    expect(parse(text)).toBeNull();
  });

  it('is UTF-8', () => {
    expect(parseStrictObject(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBeNull();
  });

  it('is read in no time, however long or deep it is', () => {
    expect(parse(`{"a":"${'\\\\'.repeat(1_000_000)}"}`)).not.toBeNull();
    expect(parse(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`)).not.toBeNull();
  });
});
