import { randomUUID } from 'node:crypto';
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemClock } from './clock.js';
import { errnoOf } from './errors.js';

/** No write takes this long. */
const ABANDONED_AFTER_MS = 60_000;

/**
 * Writes a file of mode 0600 in an existing folder. After a crash, a power cut or on a full disk, the file
 * has its whole old or its whole new content. A failed write leaves no draft. The next writer removes the
 * draft of a killed process.
 * @returns false when an existing file was kept
 */
export async function writeWhole(
  path: string,
  content: string,
  ifThere: 'replace' | 'keep',
): Promise<boolean> {
  await removeDrafts(path, systemClock.now().getTime() - ABANDONED_AFTER_MS);
  const draft = await writeDraft(path, content);
  try {
    if (ifThere === 'replace') await rename(draft, path);
    else if (!(await linkUnlessThere(draft, path))) return false;
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
  await syncFolder(path);
  return true;
}

/** Writes a draft beside `path` to the disk. @returns its path, for a rename */
export async function writeDraft(path: string, content: string | Buffer): Promise<string> {
  const draft = `${path}.draft-${randomUUID()}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
    return draft;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** A rename survives a power cut once the folder is on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function linkUnlessThere(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the drafts of `path` that were last written before that instant; by default all of them. */
export async function removeDrafts(path: string, beforeMs = Infinity): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(`${basename(path)}.draft-`))) {
    const draft = join(folder, name);
    const { mtimeMs } = await stat(draft).catch(() => ({ mtimeMs: Infinity }));
    if (mtimeMs < beforeMs) await rm(draft, { force: true }).catch(() => undefined);
  }
}
