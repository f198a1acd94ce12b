import { randomBytes } from 'node:crypto';
import { Sealing, UnsealError } from './sealing.js';

describe('Sealing', () => {
  const sealing = new Sealing(randomBytes(32));
  const secret = Buffer.from('the private half');

  it('opens what it sealed for the same owner', () => {
    const sealed = sealing.seal(secret, 'signing_keys:one');
    expect(sealing.open(sealed, 'signing_keys:one')).toEqual(secret);
    expect(sealed.includes(secret)).toBe(false);
  });

  it('never uses a nonce twice', () => {
    expect(sealing.seal(secret, 'x').equals(sealing.seal(secret, 'x'))).toBe(false);
  });

  it('refuses a value that was moved to another owner', () => {
    const sealed = sealing.seal(secret, 'licenses:one');
    expect(() => sealing.open(sealed, 'licenses:two')).toThrow(UnsealError);
  });

  it('tells a wrong key-encryption key from a changed value', () => {
    const sealed = sealing.seal(secret, 'licenses:one');
    const other = new Sealing(randomBytes(32));
    expect(() => other.open(sealed, 'licenses:one')).toThrow(/another key-encryption key/);
  });

  it.each([0, 5, 12, 25, -1])('refuses a value with byte %d flipped', (index) => {
    const sealed = sealing.seal(secret, 'licenses:one');
    const at = index < 0 ? sealed.length + index : index;
    sealed.writeUInt8(sealed.readUInt8(at) ^ 1, at);
    expect(() => sealing.open(sealed, 'licenses:one')).toThrow(UnsealError);
  });

  it('refuses a value that is too short to be one', () => {
    expect(() => sealing.open(Buffer.alloc(20, 1), 'licenses:one')).toThrow(UnsealError);
  });
});
