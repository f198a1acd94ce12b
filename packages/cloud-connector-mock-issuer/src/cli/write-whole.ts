import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { wallClock } from '../clock.js';

/** Nobody writes a draft for so long. */
const ABANDONED_AFTER_MS = 60_000;

/**
 * Replaces a file. Whenever the process or the machine dies, and when the disk is full, the
 * file is the old one or the new one. A failure leaves no draft; the draft of a process that was killed
 * is removed by the next one that writes.
 */
export async function writeWhole(path: string, content: string, mode = 0o600): Promise<void> {
  await removeAbandonedDrafts(path);
  const draft = `${path}.draft-${randomUUID()}`;
  try {
    await writeToDisk(draft, content, mode);
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
  await syncFolder(dirname(path));
}

async function writeToDisk(path: string, content: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename lasts once the folder is on the disk. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function removeAbandonedDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const drafts = (await readdir(folder).catch(() => [])).filter((name) =>
    name.startsWith(`${basename(path)}.draft-`),
  );
  const before = wallClock().getTime() - ABANDONED_AFTER_MS;
  for (const name of drafts) {
    const draft = join(folder, name);
    const { mtimeMs } = await stat(draft).catch(() => ({ mtimeMs: Infinity }));
    if (mtimeMs < before) await rm(draft, { force: true }).catch(() => undefined);
  }
}
