import { generateKeyPairSync } from 'node:crypto';
import { keySetFaults } from './published-document.js';

/** The public half as anyone would export it, with the members that have to be added. */
function jwk(kid: string): Record<string, unknown> {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
}

const one = jwk('one');
const two = jwk('two');
const strong = { ...one, kid: 'strong', n: modulus(4096) };

function without(member: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(one).filter(([name]) => name !== member));
}

describe('a key set that validators can take', () => {
  it.each([
    ['one key', [one]],
    ['several keys', [one, two, strong]],
  ])('has %s', (_what, keys) => {
    expect(keySetFaults({ keys })).toEqual([]);
  });

  it('stays one when it is read back from its JSON', () => {
    expect(keySetFaults(JSON.parse(JSON.stringify({ keys: [one, two] })))).toEqual([]);
  });
});

describe('a key set that would break a validator', () => {
  it.each([
    ['null', null],
    ['a list of keys', [one]],
    ['a text', JSON.stringify({ keys: [one] })],
    ['nothing', undefined],
  ])('is not an object but %s', (_what, document) => {
    expect(keySetFaults(document)).toEqual(['the key set is not an object']);
  });

  it.each([
    ['an empty list of keys', { keys: [] }],
    ['no list of keys', {}],
    ['an object for a list', { keys: { one } }],
    ['null for a list', { keys: null }],
  ])('has %s', (_what, document) => {
    expect(keySetFaults(document)).toEqual(['the key set has no keys']);
  });

  it('has a member beside keys', () => {
    expect(keySetFaults({ keys: [one], issuer: 'https://issuer.test' })).toEqual([
      'the key set has the member issuer beside keys',
    ]);
  });

  it.each([
    ['null', null],
    ['a text', 'key'],
    ['a list', [one]],
  ])('holds %s instead of a key', (_what, key) => {
    expect(keySetFaults({ keys: [one, key] })).toEqual(['key 1 is not an object']);
  });

  it.each(['kid', 'n', 'e'])('has a key without a usable %s', (member) => {
    const fault = `key 0 has no usable ${member}`;
    for (const value of [null, 7, '', 'not base64url!', ['one'], 'one=']) {
      expect(keySetFaults({ keys: [{ ...one, [member]: value }] })).toContain(fault);
    }
    expect(keySetFaults({ keys: [without(member)] })).toContain(fault);
  });

  it.each([
    ['null', 'x5t', null],
    ['a number', 'exp', 1_800_000_000],
    ['a text', 'key_ops', 'verify'],
    ['a private half', 'd', 'AAAA'],
    ['a private factor', 'p', 'AAAA'],
  ])('has a key with %s in an extra member', (_what, member, value) => {
    expect(keySetFaults({ keys: [two, { ...one, [member]: value }] })).toEqual([
      `key 1 has the member ${member}`,
    ]);
  });

  it('has a whole private key', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = { ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' };
    expect(keySetFaults({ keys: [key] }).sort()).toEqual(
      ['d', 'dp', 'dq', 'p', 'q', 'qi'].map((member) => `key 0 has the member ${member}`),
    );
  });

  it('has a key of an elliptic curve', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = { ...publicKey.export({ format: 'jwk' }), kid: 'ec', use: 'sig', alg: 'ES256' };
    expect(keySetFaults({ keys: [one, key] })).toEqual(
      expect.arrayContaining([
        'key 1 has a kty that is not RSA',
        'key 1 has a alg that is not RS256',
        'key 1 has the member crv',
      ]),
    );
  });

  it.each([
    ['kty', 'EC', 'RSA'],
    ['kty', 'rsa', 'RSA'],
    ['alg', 'RS512', 'RS256'],
    ['alg', 'PS256', 'RS256'],
    ['use', 'enc', 'sig'],
  ])('has a key whose %s is %s', (member, value, needed) => {
    const fault = `key 0 has a ${member} that is not ${needed}`;
    expect(keySetFaults({ keys: [{ ...one, [member]: value }] })).toEqual([fault]);
    expect(keySetFaults({ keys: [without(member)] })).toEqual([fault]);
  });

  it.each([1024, 2040, 2047])('has a key whose modulus has %d bits', (bits) => {
    expect(keySetFaults({ keys: [{ ...one, n: modulus(bits) }] })).toEqual([
      'key 0 has a modulus of under 2048 bits',
    ]);
    const padded = Buffer.concat([Buffer.alloc(99), Buffer.from(modulus(bits), 'base64url')]);
    expect(keySetFaults({ keys: [{ ...one, n: padded.toString('base64url') }] })).toHaveLength(1);
    expect(keySetFaults({ keys: [{ ...one, n: modulus(2048) }] })).toEqual([]);
  });

  it('has one kid twice: a validator could not tell which key is meant', () => {
    expect(keySetFaults({ keys: [one, two, { ...two, kid: 'one' }] })).toEqual([
      'key 2 repeats the kid of another key',
    ]);
  });

  it('has several faults, and all of them are named at once', () => {
    const faults = keySetFaults({
      keys: [
        { ...one, d: 'AAAA' },
        { ...two, alg: 'RS1' },
      ],
      more: 1,
    });
    expect(faults).toHaveLength(3);
  });

  it('is named without the value of any member', () => {
    expect(keySetFaults({ keys: [{ ...one, d: 'the-private-half' }] }).join()).not.toMatch(
      /the-private-half/,
    );
  });
});

/** An odd number of exactly so many bits, written as RFC 7518 section 6.3.1.1 wants it. */
function modulus(bits: number): string {
  const hex = ((1n << BigInt(bits - 1)) | 1n).toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}
