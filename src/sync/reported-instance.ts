import { parseGitlabVersion } from '../domain/gitlab-version.js';
import { isUuid } from '../domain/uuid.js';

const MAX_HOST_NAME_LENGTH = 253;

/** A host name as instances send it; null for any other text. */
export function hostNameOf(text: unknown): string | null {
  const valid =
    typeof text === 'string' && text.length <= MAX_HOST_NAME_LENGTH && /^[\w.:[\]-]+$/.test(text);
  return valid ? text : null;
}

/** The text of a version; null when it cannot be read. */
export function versionTextOf(text: unknown): string | null {
  return typeof text === 'string' ? (parseGitlabVersion(text)?.text ?? null) : null;
}

/** A UUID as it was sent; null for any other text. */
export function uuidOf(text: unknown): string | null {
  return typeof text === 'string' && isUuid(text) ? text : null;
}
