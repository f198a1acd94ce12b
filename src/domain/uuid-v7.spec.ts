import fc from 'fast-check';
import { isUuid } from './uuid.js';
import { firstUuidV7, uuidV7 } from './uuid-v7.js';

const random = fc.uint8Array({ minLength: 10, maxLength: 10 });
const instants = fc.nat({ max: 2 ** 48 - 1 });

describe('uuidV7', () => {
  it('is the example of RFC 9562 appendix A.6', () => {
    const bytes = Buffer.from('0cc318c4dc0c0c07398f', 'hex');
    expect(uuidV7(new Date('2022-02-22T19:22:22.000Z'), bytes)).toBe(
      '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
    );
  });

  it.each([
    [0x00, '00000000-0000-7000-8000-000000000000'],
    [0xff, '00000000-0000-7fff-bfff-ffffffffffff'],
  ])('keeps version and variant for any random bytes, here %d', (byte, uuid) => {
    expect(uuidV7(new Date(0), new Uint8Array(10).fill(byte))).toBe(uuid);
  });

  it('contains its millisecond', () => {
    fc.assert(
      fc.property(instants, random, (instant, bytes) => {
        const uuid = uuidV7(new Date(instant), bytes);
        expect(isUuid(uuid)).toBe(true);
        expect(uuid.charAt(14)).toBe('7');
        expect('89ab').toContain(uuid.charAt(19));
        expect(Number.parseInt(uuid.replaceAll('-', '').slice(0, 12), 16)).toBe(instant);
      }),
    );
  });

  it('sorts as text in the order of time', () => {
    fc.assert(
      fc.property(instants, instants, random, random, (one, other, oneBytes, otherBytes) => {
        fc.pre(one < other);
        const earlier = uuidV7(new Date(one), oneBytes);
        expect(earlier < uuidV7(new Date(other), otherBytes)).toBe(true);
      }),
    );
  });

  it('uses all 74 random bits', () => {
    const whole = uuidV7(new Date(0), new Uint8Array(10));
    const changed = new Set<string>();
    for (let bit = 0; bit < 80; bit += 1) {
      const bytes = new Uint8Array(10);
      bytes[bit >> 3] = 1 << (bit & 7);
      changed.add(uuidV7(new Date(0), bytes));
    }
    changed.delete(whole);
    expect(changed.size).toBe(74);
  });
});

describe('firstUuidV7', () => {
  it('lies after every id of the millisecond before and before every other of its own', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 - 1 }), random, (instant, bytes) => {
        const first = firstUuidV7(new Date(instant));
        expect(uuidV7(new Date(instant - 1), bytes) < first).toBe(true);
        expect(uuidV7(new Date(instant), bytes) >= first).toBe(true);
      }),
    );
  });
});
