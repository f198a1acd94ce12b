import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const FORMAT = 1;
const FINGERPRINT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + FINGERPRINT_BYTES;

/** A sealed value that this key-encryption key cannot open. Its text holds no secret. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';
}

/**
 * Seals secrets under the key-encryption key with AES-256-GCM (NIST SP 800-38D) and a fresh nonce.
 * The layout is: format (1 byte), fingerprint of the key (8), nonce (12), ciphertext, tag (16).
 * `owner` says what the value belongs to (`signing_keys:<kid>`); it is authenticated, so that a
 * sealed value moved to another row does not open.
 */
export class Sealing {
  readonly #key: Buffer;
  readonly #fingerprint: Buffer;

  constructor(keyEncryptionKey: Buffer) {
    this.#key = keyEncryptionKey;
    this.#fingerprint = createHash('sha256')
      .update('key-encryption-key fingerprint')
      .update(keyEncryptionKey)
      .digest()
      .subarray(0, FINGERPRINT_BYTES);
  }

  seal(secret: Buffer, owner: string): Buffer {
    const header = Buffer.concat([Buffer.of(FORMAT), this.#fingerprint]);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(owner)]));
    const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /** @throws {UnsealError} when another key sealed it, or it was changed or moved. */
  open(sealed: Buffer, owner: string): Buffer {
    const header = sealed.subarray(0, HEADER_BYTES);
    if (sealed.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES || header[0] !== FORMAT) {
      throw new UnsealError(`the sealed value of ${owner} is not in a known format`);
    }
    if (!header.subarray(1).equals(this.#fingerprint)) {
      throw new UnsealError(`${owner} was sealed with another key-encryption key`);
    }
    const nonce = sealed.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.concat([header, Buffer.from(owner)]));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      const ciphertext = sealed.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES);
      return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    } catch {
      throw new UnsealError(`the sealed value of ${owner} was changed or belongs elsewhere`);
    }
  }
}
