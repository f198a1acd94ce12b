import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { databaseAway } from '../database/away.js';

const ALGORITHM = 'aes-256-gcm';
const FORMAT = 1;
const FINGERPRINT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The length of the header of every value: its format and the fingerprint of its key. */
export const SEAL_HEADER_BYTES = 1 + FINGERPRINT_BYTES;

/** A sealed value does not open with this key-encryption key. The message holds no secret. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';
}

/** A sealed value of the database, with its owner. */
export interface SealedSample {
  readonly sealed: Buffer;
  readonly owner: string;
}

/** A key-encryption key, and the header of every value that is sealed under it. */
interface SealingKey {
  readonly bytes: Buffer;
  readonly header: Buffer;
}

/**
 * Seals secrets under the key-encryption key with AES-256-GCM (NIST SP 800-38D) and a fresh nonce. Opens
 * values that are sealed under this key or the previous one.
 * The layout is: format (1 byte), fingerprint of the key (8), nonce (12), ciphertext, tag (16).
 * `owner` names the row of the value (`signing_keys:<kid>`). It is authenticated, so a value that was
 * moved to another row does not open.
 */
export class Sealing {
  #known: SealingKey | null;
  readonly #previous: SealingKey | null;

  /** @param keyEncryptionKey null when the key is only known once the database is up; then see `useKey` */
  constructor(keyEncryptionKey: Buffer | null, previous: Buffer | null = null) {
    this.#known = keyEncryptionKey && sealingKey(keyEncryptionKey);
    this.#previous = previous && sealingKey(previous);
  }

  /**
   * Uses this key from now on, unless it does not open the sample. Nothing may be sealed under a wrong
   * key: nobody could open it after the key was corrected.
   * @param sample a sealed value of the database; null when it has none
   * @throws {UnsealError}
   */
  useKey(keyEncryptionKey: Buffer, sample: SealedSample | null = null): void {
    this.#known = sealingKey(keyEncryptionKey);
    if (sample === null) return;
    try {
      this.open(sample.sealed, sample.owner).fill(0);
    } catch (error) {
      this.#known = null;
      throw error;
    }
  }

  /** The header of values that are sealed under the current key. */
  get currentHeader(): Buffer {
    return this.#current.header;
  }

  /** The header of values that are sealed under the previous key; null without one. */
  get previousHeader(): Buffer | null {
    return this.#previous?.header ?? null;
  }

  seal(secret: Buffer, owner: string): Buffer {
    const { bytes, header } = this.#current;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, bytes, nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(owner)]));
    const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()]);
  }

  /** @throws {UnsealError} when neither key sealed the value, or it was changed or moved */
  open(sealed: Buffer, owner: string): Buffer {
    const { bytes, header } = this.keyOf(sealed, owner);
    const nonce = sealed.subarray(SEAL_HEADER_BYTES, SEAL_HEADER_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, bytes, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.concat([header, Buffer.from(owner)]));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      const ciphertext = sealed.subarray(SEAL_HEADER_BYTES + NONCE_BYTES, -TAG_BYTES);
      return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    } catch {
      throw new UnsealError(`the sealed value of ${owner} was changed or belongs elsewhere`);
    }
  }

  /** The same secret, sealed under the current key. @throws {UnsealError} as `open` does */
  rewrap(sealed: Buffer, owner: string): Buffer {
    const secret = this.open(sealed, owner);
    try {
      return this.seal(secret, owner);
    } finally {
      secret.fill(0);
    }
  }

  /** @throws {IssuerError} UNAVAILABLE before the key is known */
  get #current(): SealingKey {
    if (this.#known) return this.#known;
    throw databaseAway();
  }

  private keyOf(sealed: Buffer, owner: string): SealingKey {
    if (sealed.length < SEAL_HEADER_BYTES + NONCE_BYTES + TAG_BYTES || sealed[0] !== FORMAT) {
      throw new UnsealError(`the sealed value of ${owner} is not in a known format`);
    }
    const header = sealed.subarray(0, SEAL_HEADER_BYTES);
    const key = [this.#current, this.#previous].find((one) => one?.header.equals(header));
    if (key) return key;
    throw new UnsealError(`${owner} was sealed with another key-encryption key`);
  }
}

function sealingKey(bytes: Buffer): SealingKey {
  const fingerprint = createHash('sha256')
    .update('key-encryption-key fingerprint')
    .update(bytes)
    .digest()
    .subarray(0, FINGERPRINT_BYTES);
  return { bytes, header: Buffer.concat([Buffer.of(FORMAT), fingerprint]) };
}
