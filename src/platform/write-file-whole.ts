import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { draftPath } from './file-drafts.js';
import { hasErrno } from './file-trouble.js';

export interface WriteFileWholeOptions {
  /** What to do with a file that is there: by default it is replaced. */
  readonly ifThere?: 'replace' | 'keep';
}

/**
 * Writes a file of mode 0600, and its folder when that is missing. Every file that the service keeps is
 * written here. Whenever the process or the machine dies, and when the disk is full, `path` holds the
 * old content or the new content, whole. A write that fails leaves no draft; a process that is killed
 * may leave one, which the next start sweeps (`sweepDrafts`).
 * @returns false when a file is there and was to be kept
 */
export async function writeFileWhole(
  path: string,
  content: string,
  { ifThere = 'replace' }: WriteFileWholeOptions = {},
): Promise<boolean> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = draftPath(path);
  try {
    await writeToDisk(draft, content);
    if (ifThere === 'replace') await rename(draft, path);
    else if (!(await linkUnlessThere(draft, path))) return false;
  } finally {
    // After a rename there is none. One that cannot be removed is left to the next start.
    await rm(draft, { force: true }).catch(() => undefined);
  }
  await syncToDisk(folder);
  return true;
}

/**
 * Waits until a file or a folder is on the disk. A new or renamed entry survives a power cut once its
 * folder is there too.
 */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A hard link appears whole or not at all, and never takes the place of another file. */
export async function linkUnlessThere(existing: string, path: string): Promise<boolean> {
  try {
    await link(existing, path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

async function writeToDisk(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
