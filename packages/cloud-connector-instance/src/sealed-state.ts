import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { InstanceClientError } from './errors.js';

/**
 * AES-256-GCM (NIST SP 800-38D): `CCISTORE`, a version byte, 8 bytes that tell the key, a nonce of
 * 12 bytes, the ciphertext, a tag of 16 bytes. All before the ciphertext is authenticated with it.
 */
const MAGIC = Buffer.from('CCISTORE');
const VERSION = 1;
const KEY_ID_AT = MAGIC.length + 1;
const NONCE_AT = KEY_ID_AT + 8;
const CIPHERTEXT_AT = NONCE_AT + 12;
const TAG_LENGTH = 16;
const CIPHER = 'aes-256-gcm';

export function seal(key: Uint8Array, text: string): Buffer {
  const header = Buffer.concat([MAGIC, Buffer.of(VERSION), keyId(key), randomBytes(12)]);
  const cipher = createCipheriv(CIPHER, key, header.subarray(NONCE_AT));
  cipher.setAAD(header);
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([header, ciphertext, cipher.getAuthTag()]);
}

/** @throws {InstanceClientError} STORE_CORRUPT, STORE_KEY_WRONG, STORE_VERSION_UNKNOWN */
export function unseal(key: Uint8Array, sealed: Buffer): string {
  const complete = sealed.length >= CIPHERTEXT_AT + TAG_LENGTH;
  if (!complete || !sealed.subarray(0, MAGIC.length).equals(MAGIC)) throw corrupt();
  if (sealed[MAGIC.length] !== VERSION) {
    throw new InstanceClientError(
      'STORE_VERSION_UNKNOWN',
      'a newer version of cloud-connector-instance wrote this store',
    );
  }
  if (!sealed.subarray(KEY_ID_AT, NONCE_AT).equals(keyId(key))) {
    throw new InstanceClientError('STORE_KEY_WRONG', 'the store is sealed under another key');
  }
  const tagAt = sealed.length - TAG_LENGTH;
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(NONCE_AT, CIPHERTEXT_AT), {
    authTagLength: TAG_LENGTH,
  });
  decipher.setAAD(sealed.subarray(0, CIPHERTEXT_AT));
  decipher.setAuthTag(sealed.subarray(tagAt));
  try {
    const opened = [decipher.update(sealed.subarray(CIPHERTEXT_AT, tagAt)), decipher.final()];
    return Buffer.concat(opened).toString();
  } catch {
    throw corrupt();
  }
}

/** Tells a wrong key from a damaged file, and nothing of the key. */
function keyId(key: Uint8Array): Buffer {
  const digest = createHmac('sha256', key).update('cloud-connector-instance store key').digest();
  return digest.subarray(0, NONCE_AT - KEY_ID_AT);
}

export function corrupt(): InstanceClientError {
  return new InstanceClientError('STORE_CORRUPT', 'the store is damaged or was tampered with');
}
