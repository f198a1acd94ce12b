import { IssuerError } from '../platform/issuer-error.js';

/** The strong entity tag of a row's version (RFC 9110 section 8.8.3). */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/**
 * Allows a write only to the version that the caller has seen. `If-Match` is optional; `*` matches anything.
 * @throws {IssuerError} PRECONDITION_FAILED when it names only other versions.
 */
export function requireMatch(ifMatch: string | undefined, version: number): void {
  if (ifMatch === undefined) return;
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  if (tags.includes('*') || tags.includes(entityTag(version))) return;
  throw new IssuerError(
    'PRECONDITION_FAILED',
    'It has changed since you read it: read it again and repeat the change with its new ETag.',
  );
}
