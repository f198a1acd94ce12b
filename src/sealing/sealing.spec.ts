import { randomBytes } from 'node:crypto';
import { SEAL_HEADER_BYTES, Sealing, UnsealError } from './sealing.js';

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

describe('Sealing under a new key-encryption key', () => {
  const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
  const secret = Buffer.from('the private half');
  const before = new Sealing(oldKey);
  const during = new Sealing(newKey, oldKey);
  const after = new Sealing(newKey);
  const underOld = before.seal(secret, 'licenses:one');

  it('opens what the previous key sealed, and seals under the new one only', () => {
    expect(during.open(underOld, 'licenses:one')).toEqual(secret);
    const sealed = during.seal(secret, 'licenses:one');
    expect(after.open(sealed, 'licenses:one')).toEqual(secret);
    expect(() => before.open(sealed, 'licenses:one')).toThrow(/another key-encryption key/);
  });

  it('seals again what the previous key sealed, for the same owner', () => {
    const again = during.rewrap(underOld, 'licenses:one');
    expect(after.open(again, 'licenses:one')).toEqual(secret);
    expect(() => after.open(again, 'licenses:two')).toThrow(UnsealError);
    expect(() => during.rewrap(underOld, 'licenses:two')).toThrow(UnsealError);
  });

  it('shows by the first bytes which key sealed a value', () => {
    const headerOf = (sealed: Buffer) => sealed.subarray(0, SEAL_HEADER_BYTES);
    expect(headerOf(underOld)).toEqual(during.previousHeader);
    expect(headerOf(during.seal(secret, 'x'))).toEqual(during.currentHeader);
    expect(after.previousHeader).toBeNull();
  });

  it('lets nobody pass a value off as sealed under the other key', () => {
    const relabelled = Buffer.concat([during.currentHeader, underOld.subarray(SEAL_HEADER_BYTES)]);
    expect(() => during.open(relabelled, 'licenses:one')).toThrow(/changed or belongs elsewhere/);
  });

  it('tells a value that neither key sealed', () => {
    const stranger = new Sealing(randomBytes(32)).seal(secret, 'licenses:one');
    expect(() => during.open(stranger, 'licenses:one')).toThrow(/another key-encryption key/);
  });
});
