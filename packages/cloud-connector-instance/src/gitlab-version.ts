export type VersionParts = readonly [major: number, minor: number, patch: number];

/** Reads `19.4.0-ee`, `17.5.0` or `17.4`; what follows the numbers is ignored. Null for anything else. */
export function parseVersion(text: string): VersionParts | null {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] : null;
}

/** Compared part by part; a minimum that is absent or unreadable lets every version pass. */
export function reachesVersion(version: string, minimum: string | null): boolean {
  const required = minimum === null ? null : parseVersion(minimum);
  const actual = parseVersion(version);
  if (!required || !actual) return required === null;
  for (const [index, part] of actual.entries()) {
    if (part !== required[index]) return part > (required[index] ?? 0);
  }
  return true;
}
