import { createHash, randomBytes } from 'node:crypto';
import { pastedText } from '../domain/pasted-text.js';
import { IssuerError } from '../platform/issuer-error.js';

/** No longer key can be registered, so a longer one is unknown without a look-up. */
export const MAX_LICENSE_KEY_LENGTH = 65_536;
/** Shorter keys could be guessed. */
export const MIN_LICENSE_KEY_LENGTH = 16;
const GENERATED_KEY_BYTES = 32;

/**
 * The form in which keys are compared: scripts add a newline at the end, Windows sends CRLF,
 * and copied text brings blanks that nobody sees.
 */
export function normaliseLicenseKey(key: string): string {
  return pastedText(key.replaceAll('\r\n', '\n'));
}

/** The normalised key. @throws {IssuerError} VALIDATION_FAILED if that is too short */
export function longEnoughKey(given: string): string {
  const key = normaliseLicenseKey(given);
  if (key.length >= MIN_LICENSE_KEY_LENGTH) return key;
  const detail = `must have at least ${MIN_LICENSE_KEY_LENGTH} characters without the white space around it`;
  throw new IssuerError('VALIDATION_FAILED', 'This license key is too short.', {
    errors: [{ pointer: '#/license_key', detail }],
  });
}

/** The normalised key of a license. @throws {IssuerError} VALIDATION_FAILED */
export function registrableKey(given: string): string {
  const key = longEnoughKey(given);
  if (!looksLikeActivationCode(key)) return key;
  throw new IssuerError('VALIDATION_FAILED', 'This is an activation code, not a license key.', {
    errors: [{ pointer: '#/license_key', detail: 'must not look like an activation code' }],
  });
}

/** SHA-256 of the normalised key: what is stored and looked up. */
export function licenseKeyDigest(key: string): Buffer {
  return createHash('sha256').update(normaliseLicenseKey(key)).digest();
}

/** An opaque key of 256 random bits. */
export function generateLicenseKey(): string {
  return `cci_license_${randomBytes(GENERATED_KEY_BYTES).toString('base64url')}`;
}

/** A GitLab activation code is 24 letters and digits, so a license key must not be. */
export function looksLikeActivationCode(key: string): boolean {
  return /^[A-Za-z0-9]{24}$/.test(normaliseLicenseKey(key));
}
