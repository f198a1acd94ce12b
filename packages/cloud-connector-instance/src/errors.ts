/**
 * Why the client throws. Programs match on codes, never on messages; a code keeps its meaning.
 *
 * - `OPTION_INVALID`: an option or an argument is unusable; nothing was sent
 * - `NO_LICENSE_KEY`: neither an option nor the store has a license key: activate first
 * - `NO_TOKEN`: the store has no unexpired token of this instance
 * - `UNREACHABLE`: no answer came, also after retries (network, time-out, redirect, 5xx)
 * - `ANSWER_UNUSABLE`: the answer is not one of an issuer, also after retries
 * - `ACTIVATION_REFUSED`, `SEAT_LINK_REFUSED`: the issuer refused; `details` has its sentences
 * - `STORE_CORRUPT`: the store's file was damaged or tampered with; it was set aside
 * - `STORE_KEY_WRONG`: the file is sealed with another key; it is left alone
 * - `STORE_KEY_MISSING`: the file is there, but the key file that opens it is not
 * - `STORE_KEY_UNSAFE`: others may read the key file or own it, or it is the store's own file
 * - `STORE_VERSION_UNKNOWN`: a newer version of this package wrote the file; it is left alone
 * - `STORE_UNUSABLE`: its file, or that of its key, cannot be read or written; the message says why
 * - `STORE_BUSY`: another process has kept the store locked for too long
 */
export type InstanceClientErrorCode =
  | 'OPTION_INVALID'
  | 'NO_LICENSE_KEY'
  | 'NO_TOKEN'
  | 'UNREACHABLE'
  | 'ANSWER_UNUSABLE'
  | 'ACTIVATION_REFUSED'
  | 'SEAT_LINK_REFUSED'
  | 'STORE_CORRUPT'
  | 'STORE_KEY_WRONG'
  | 'STORE_KEY_MISSING'
  | 'STORE_KEY_UNSAFE'
  | 'STORE_VERSION_UNKNOWN'
  | 'STORE_UNUSABLE'
  | 'STORE_BUSY';

/** Every error of this package. Its message has no token and no key. */
export class InstanceClientError extends Error {
  override readonly name = 'InstanceClientError';

  constructor(
    readonly code: InstanceClientErrorCode,
    message: string,
    /** The issuer's own sentences, if any. */
    readonly details: readonly string[] = [],
  ) {
    super(message);
  }
}

/** The code of a failed system call, such as `ENOENT`. */
export function errnoOf(error: unknown): string | null {
  const code: unknown = Object(error) === error ? Reflect.get(error as object, 'code') : null;
  return typeof code === 'string' ? code : null;
}
