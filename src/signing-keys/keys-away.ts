import { IssuerError } from '../platform/issuer-error.js';

const RETRY_AFTER_SECONDS = 2;

/** For a token (HSM) that does not answer, keys that are changing, and keys that must not sign. */
export function keysAway(cause?: Error): IssuerError {
  const detail = 'The keys that sign cannot be used at this moment: try again shortly.';
  return new IssuerError('UNAVAILABLE', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}
