/** A GitLab version. Versions compare as numbers, part by part; `text` is how it was written. */
export interface GitlabVersion {
  readonly text: string;
  readonly parts: readonly [major: number, minor: number, patch: number];
}

/** The version of an instance that names none. It is below every minimum. */
export const UNKNOWN_VERSION: GitlabVersion = { text: 'unknown', parts: [-1, -1, -1] };

const MAX_TEXT_LENGTH = 64;
/** Reading a million digits would take 20 ms, and no version is that long. */
const MAX_READ_LENGTH = 1024;
const LEADING_VERSION = /^(\d+)\.(\d+)(?:\.(\d+))?/;

/**
 * Reads `19.4.0-ee`, `17.5.0`, `14.1.0-pre` or `17.4`. A missing patch counts as 0, and what follows the
 * numbers is ignored. Answers repeat `text` and the ledger keeps it, so it is cut to at most 64 characters
 * of `[A-Za-z0-9_.+-]`. Null when the text does not start with `major.minor`.
 */
export function parseGitlabVersion(text: string): GitlabVersion | null {
  const match = LEADING_VERSION.exec(text.slice(0, MAX_READ_LENGTH));
  if (!match) return null;
  const safe = text.slice(0, MAX_TEXT_LENGTH).replace(/[^\w.+-].*$/s, '');
  return { text: safe, parts: [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] };
}

/** Reads a version as it was recorded, or is asked about; null when it cannot be read. */
export function recordedVersion(text: string): GitlabVersion | null {
  return text === UNKNOWN_VERSION.text ? UNKNOWN_VERSION : parseGitlabVersion(text);
}

/** True for a null minimum, and for a null version, which stands for every version. */
export function reachesVersion(
  version: GitlabVersion | null,
  minimum: GitlabVersion | null,
): boolean {
  if (version === null || minimum === null) return true;
  for (const [index, part] of version.parts.entries()) {
    const required = minimum.parts[index] ?? 0;
    if (part !== required) return part > required;
  }
  return true;
}
