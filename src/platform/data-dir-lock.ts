import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { draftPath } from './file-drafts.js';
import { hasErrno } from './file-trouble.js';
import { bootId, startTicksOf } from './linux-process.js';
import { linkUnlessThere, writeFileWhole } from './write-file-whole.js';

export interface DataDirLock {
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly startTicks: string;
  readonly bootId: string;
}

const LOCK_FILE = 'service.lock';

/** Another process runs on this data directory. */
export class DataDirInUseError extends Error {
  override readonly name = 'DataDirInUseError';
}

/**
 * Takes a data directory for this process. A lock appears whole, so nobody ever reads half of one.
 * The lock of a process that is gone counts for nothing, whoever has its pid by now.
 * @throws {DataDirInUseError} naming the process that has it
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, LOCK_FILE);
  const mine = ownClaim();
  // Looked at before anything is written: on a full disk too, the answer names the process that has it.
  await requireFreeDataDir(dataDir);
  while (!(await writeFileWhole(path, mine, { ifThere: 'keep' }))) await clearStaleLock(dataDir);
  return {
    release: async () => {
      if ((await contentOf(path)) === mine) await rm(path, { force: true });
    },
  };
}

/**
 * A lock that cannot be read names nobody; taking it will fail.
 * @throws {DataDirInUseError} when a living process holds this data directory
 */
export async function requireFreeDataDir(dataDir: string): Promise<void> {
  refuseWhenHeld(dataDir, await contentOf(join(dataDir, LOCK_FILE)).catch(() => undefined));
}

/** The pid of the living process that holds this data directory, or undefined. */
export async function dataDirOwner(dataDir: string): Promise<number | undefined> {
  return livingOwner(await contentOf(join(dataDir, LOCK_FILE)));
}

/** Whether a process has locked this directory and not released it, living or not. */
export async function hasLockFile(dataDir: string): Promise<boolean> {
  return (await contentOf(join(dataDir, LOCK_FILE))) !== undefined;
}

/**
 * Two starts may find the same stale lock, and the slower one then moves away what the faster one has
 * just put there. It sees that in what it moved, and puts it back.
 */
async function clearStaleLock(dataDir: string): Promise<void> {
  const path = join(dataDir, LOCK_FILE);
  refuseWhenHeld(dataDir, await contentOf(path));
  const moved = draftPath(path);
  try {
    await rename(path, moved);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return;
    throw error;
  }
  try {
    const content = await contentOf(moved);
    if (livingOwner(content) !== undefined) await linkUnlessThere(moved, path);
    refuseWhenHeld(dataDir, content);
  } finally {
    await rm(moved, { force: true });
  }
}

function refuseWhenHeld(dataDir: string, content: string | undefined): void {
  const pid = livingOwner(content);
  if (pid === undefined) return;
  throw new DataDirInUseError(
    `the data directory ${dataDir} is in use by the process with pid ${pid}: ` +
      'stop that one first, or give this one a DATA_DIR of its own',
  );
}

function ownClaim(): string {
  const owner: Owner = {
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? '',
    bootId: bootId(),
  };
  return `${JSON.stringify(owner)}\n`;
}

function livingOwner(content: string | undefined): number | undefined {
  if (content === undefined) return undefined;
  try {
    const owner = JSON.parse(content) as Owner;
    const alive = owner.bootId === bootId() && owner.startTicks === startTicksOf(owner.pid);
    return alive ? owner.pid : undefined;
  } catch {
    // A power cut may leave an empty file behind; its writer is gone.
    return undefined;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    const how = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be read (${how}): remove what lies there`, { cause: error });
  }
}
