import { readFileSync, statSync } from 'node:fs';

const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'there is no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'this user may not read it'],
  ['EPERM', 'this user may not read it'],
]);

/** The content of the file that a setting names. If it fails: null, and a fault without path and content. */
export function readFileOf(setting: string, path: string, faults: string[]): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    faults.push(`${setting}: the file cannot be read: ${REASONS.get(code) ?? code ?? 'unknown'}`);
    return null;
  }
}

/** A missing folder is fine: the start makes it. */
export function checkFolder(setting: string, path: string, faults: string[]): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory() === false) faults.push(`${setting}: must be a folder, but is a file`);
}
