import { STATUS_LIST_BITS, statusListBytes, statusReferenceOf } from './status-list.js';

const ISSUER = 'https://issuer.example.com';

describe('statusReferenceOf', () => {
  it.each([
    [0, 0, '/status/0'],
    [STATUS_LIST_BITS - 1, STATUS_LIST_BITS - 1, '/status/0'],
    [STATUS_LIST_BITS, 0, '/status/1'],
    [5 * STATUS_LIST_BITS + 7, 7, '/status/5'],
  ])('finds the token %i at %i of the list %s', (statusIndex, idx, path) => {
    expect(statusReferenceOf(ISSUER, statusIndex)).toEqual({ idx, uri: `${ISSUER}${path}` });
  });
});

describe('statusListBytes', () => {
  it('has the first token in the lowest bit of the first byte, as the draft shows it', () => {
    // Section 4.1: 1 0 0 1 1 1 0 1 1 1 0 0 0 1 0 1 becomes 0xB9 0xA3.
    const bytes = statusListBytes([{ word: 0, bits: 0xa3b9 }]);
    expect([...bytes.subarray(0, 3)]).toEqual([0xb9, 0xa3, 0]);
  });

  it('has all its bits, whichever are set', () => {
    const last = STATUS_LIST_BITS / 32 - 1;
    for (const words of [[], [{ word: last, bits: 2 ** 31 }]]) {
      expect(statusListBytes(words)).toHaveLength(STATUS_LIST_BITS / 8);
    }
    expect(statusListBytes([{ word: last, bits: 2 ** 31 }]).at(-1)).toBe(0x80);
  });
});
