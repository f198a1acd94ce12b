/**
 * A version 7 UUID (RFC 9562 section 5.7): the millisecond of `now`, then 10 bytes of `random`.
 * The `jti` of a token is one: it contains the token's day, and with it the partition of the ledger.
 */
export function uuidV7(now: Date, random: Uint8Array): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(now.getTime(), 0, 6);
  bytes.set(random.subarray(0, 10), 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/** The lowest version 7 UUID of the millisecond `at`, where a range of ids begins. */
export function firstUuidV7(at: Date): string {
  return uuidV7(at, new Uint8Array(10));
}
