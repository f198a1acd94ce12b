import { createHash, randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './code-of.js';
import { bootId, pidNamespace, startTicksOf } from './linux-process.js';

/** No write takes this long. Used when nobody can tell whether the writer of a draft still lives. */
const ABANDONED_AFTER_MS = 60_000;
/** `<file>.draft-<machine>-<pid>-<start of the process>-<random>` */
const DRAFT = /\.draft-([0-9a-f]{8})-(\d+)-(\d*)-[0-9a-f]{12}$/;

/**
 * Writes a file of mode 0600, and its folder when that is missing. The service writes all its files this
 * way. After a crash, a power cut or on a full disk, `path` holds either the whole old content or the
 * whole new content. A failed write leaves no draft. A killed process may leave one, and the next start
 * removes it (`sweepDrafts`).
 * @param ifThere what to do with an existing file
 * @returns false when an existing file was kept
 */
export async function writeFileWhole(
  path: string,
  content: string,
  ifThere: 'replace' | 'keep' = 'replace',
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
 * A name beside `path` that nobody else uses. It says which process writes the draft, so that a later
 * start knows whether the draft is abandoned.
 */
export function draftPath(path: string): string {
  const writer = `${machine()}-${process.pid}-${startTicksOf(process.pid) ?? ''}`;
  return `${path}.draft-${writer}-${randomBytes(6).toString('hex')}`;
}

/**
 * Waits until a file or a folder is on the disk. A new or renamed file survives a power cut only when
 * its folder is on the disk, too.
 */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A hard link appears at once and never replaces another file. @returns false when `path` exists */
export async function linkUnlessThere(existing: string, path: string): Promise<boolean> {
  try {
    await link(existing, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes the drafts in a folder whose writers are gone. It never throws: the next start tries again.
 * @returns the names of the removed drafts
 */
export async function sweepDrafts(folder: string, now: Date): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (!(await isAbandoned(path, name, now))) continue;
    const gone = await rm(path, { recursive: true, force: true }).then(
      () => true,
      () => false,
    );
    if (gone) removed.push(name);
  }
  return removed;
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

async function isAbandoned(path: string, name: string, now: Date): Promise<boolean> {
  const draft = DRAFT.exec(name);
  if (!draft) return false;
  const [, writtenOn, pid, startTicks] = draft;
  if (writtenOn === machine()) return startTicksOf(Number(pid)) !== startTicks;
  // Written before a reboot, in another container or on another machine.
  const { mtimeMs } = await lstat(path).catch(() => ({ mtimeMs: Infinity }));
  return now.getTime() - mtimeMs > ABANDONED_AFTER_MS;
}

/** A pid names the same process only within one boot and one pid namespace. */
function machine(): string {
  return createHash('sha256').update(`${bootId()} ${pidNamespace()}`).digest('hex').slice(0, 8);
}
