import { randomUUID } from 'node:crypto';
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemClock } from './clock.js';
import { errnoOf } from './errors.js';

/** Nobody writes a draft for so long. */
const ABANDONED_AFTER_MS = 60_000;

/**
 * Writes a file of mode 0600 in a folder that is there. Whenever the process or the machine dies, and
 * when the disk is full, the file is the old one or the new one. A failure leaves no draft; the draft of
 * a process that was killed is removed by the next one that writes.
 * @returns false when a file is there and was to be kept
 */
export async function writeWhole(
  path: string,
  content: string,
  ifThere: 'replace' | 'keep',
): Promise<boolean> {
  await removeAbandonedDrafts(path);
  const draft = `${path}.draft-${randomUUID()}`;
  try {
    await writeDraft(draft, content);
    if (ifThere === 'replace') await rename(draft, path);
    else if (!(await linkUnlessThere(draft, path))) return false;
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
  await syncFolder(path);
  return true;
}

/** Whole and on the disk, or not there. */
export async function writeDraft(draft: string, content: string | Buffer): Promise<void> {
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** A rename lasts once the folder is on the disk. */
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

async function removeAbandonedDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const drafts = (await readdir(folder).catch(() => [])).filter((name) =>
    name.startsWith(`${basename(path)}.draft-`),
  );
  const before = systemClock.now().getTime() - ABANDONED_AFTER_MS;
  for (const name of drafts) {
    const draft = join(folder, name);
    const { mtimeMs } = await stat(draft).catch(() => ({ mtimeMs: Infinity }));
    if (mtimeMs < before) await rm(draft, { force: true }).catch(() => undefined);
  }
}
