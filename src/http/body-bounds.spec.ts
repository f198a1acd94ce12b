import fc from 'fast-check';
import { BodyBounds, MAX_BODY_DEPTH, MAX_BODY_VALUES } from './body-bounds.js';

const TOO_DEEP = 'is more than 8 levels deep';
const TOO_WIDE = 'has more than 2500 members and items';

function faultOf(...pieces: readonly (string | Uint8Array)[]): string | null {
  const bounds = new BodyBounds();
  for (const piece of pieces) bounds.read(Buffer.from(piece));
  return bounds.fault;
}

const lists = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const objects = (depth: number) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
const members = (count: number) =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`m${n}`, n])));

describe('the bounds of a body', () => {
  it.each([
    ['lists', lists],
    ['objects', objects],
  ])('let %s in as deep as they may be, and no deeper', (_what, nested) => {
    expect(faultOf(nested(MAX_BODY_DEPTH))).toBeNull();
    expect(faultOf(nested(MAX_BODY_DEPTH + 1))).toBe(TOO_DEEP);
  });

  it('count depth, not brackets: lists beside one another are not deep', () => {
    expect(faultOf(`[${Array(1000).fill('[]').join()}]`)).toBeNull();
  });

  it.each([
    ['members', members],
    ['items', (count: number) => JSON.stringify(Array(count).fill(0))],
    ['the same member again', (count: number) => `{${Array(count).fill('"a":1').join()}}`],
    [
      'empty objects',
      (count: number) =>
        `[${Array(count - 1)
          .fill('{}')
          .join()}]`.slice(0, -1),
    ],
  ])('let as many %s in as there may be, and no more', (what, wide) => {
    const most = what === 'empty objects' ? MAX_BODY_VALUES / 2 : MAX_BODY_VALUES;
    expect(faultOf(wide(most))).toBeNull();
    expect(faultOf(wide(most + 2))).toBe(TOO_WIDE);
  });

  it.each([
    ['brackets', '['.repeat(5000)],
    ['commas', ','.repeat(5000)],
    ['escaped quotes', '\\"['.repeat(5000)],
    ['backslashes before its end', '\\\\'.repeat(5000)],
    ['other scripts', '漢字é😀'.repeat(5000)],
  ])('do not count what stands in a string: %s', (_what, inside) => {
    expect(faultOf(`{"a":"${inside}"}`)).toBeNull();
    expect(faultOf(`{"a":"${inside}","b":${lists(MAX_BODY_DEPTH)}}`)).toBe(TOO_DEEP);
  });

  it('find the quote behind a byte that begins no character, as a parser does', () => {
    const broken = Buffer.concat([Buffer.from('["'), Buffer.of(0xe2), Buffer.from('"')]);
    expect(faultOf(broken, '['.repeat(MAX_BODY_DEPTH))).toBe(TOO_DEEP);
    expect(faultOf(broken, '['.repeat(MAX_BODY_DEPTH - 1))).toBeNull();
  });

  it.each([
    ['too deep', `{"\\\\":"\\"[","é":${lists(MAX_BODY_DEPTH)}}`, TOO_DEEP],
    ['deep enough', `{"\\\\":"\\"[","é":${lists(MAX_BODY_DEPTH - 1)}}`, null],
  ])('say the same of a text that is %s wherever it is cut', (_what, text, fault) => {
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(faultOf(bytes.subarray(0, cut), bytes.subarray(cut))).toBe(fault);
    }
    expect(faultOf(...[...bytes].map((byte) => Buffer.of(byte)))).toBe(fault);
  });

  it('let all JSON in that is not deeper and wider than the bounds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 12, stringUnit: 'binary' }), (value) => {
        const text = JSON.stringify(value);
        expect(faultOf(text) === TOO_DEEP).toBe(depthOf(JSON.parse(text)) > MAX_BODY_DEPTH);
      }),
      { numRuns: 500 },
    );
  });
});

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}
