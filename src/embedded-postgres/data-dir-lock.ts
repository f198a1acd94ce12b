import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../platform/code-of.js';
import { bootId, startTicksOf } from '../platform/linux-process.js';
import { draftPath, linkUnlessThere, writeFileWhole } from '../platform/write-file-whole.js';

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
 * Locks a data directory for this process. The lock file appears whole. The lock of a dead process does
 * not count, even if another process has its pid now.
 * @throws {DataDirInUseError} naming the process that holds the lock
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, LOCK_FILE);
  const mine = ownClaim();
  // Checked before anything is written, so that the error names the other process even on a full disk.
  await requireFreeDataDir(dataDir);
  while (!(await writeFileWhole(path, mine, 'keep'))) await clearStaleLock(dataDir);
  return {
    release: async () => {
      if ((await contentOf(path)) === mine) await rm(path, { force: true });
    },
  };
}

/**
 * An unreadable lock is ignored here; taking it will fail.
 * @throws {DataDirInUseError} when a living process holds this data directory
 */
export async function requireFreeDataDir(dataDir: string): Promise<void> {
  refuseWhenHeld(dataDir, await contentOf(join(dataDir, LOCK_FILE)).catch(() => undefined));
}

/** The pid of the living process that holds this data directory, or undefined. */
export async function dataDirOwner(dataDir: string): Promise<number | undefined> {
  return livingOwner(await contentOf(join(dataDir, LOCK_FILE)));
}

/** Whether there is a lock file, of a living process or of a dead one. */
export async function hasLockFile(dataDir: string): Promise<boolean> {
  return (await contentOf(join(dataDir, LOCK_FILE))) !== undefined;
}

/**
 * Two starts may find the same stale lock. The slower one may then move away the new lock of the faster
 * one. It checks what it moved, and puts a living lock back.
 */
async function clearStaleLock(dataDir: string): Promise<void> {
  const path = join(dataDir, LOCK_FILE);
  refuseWhenHeld(dataDir, await contentOf(path));
  const moved = draftPath(path);
  try {
    await rename(path, moved);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
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
    // A power cut may leave an empty file; its writer is gone.
    return undefined;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    const how = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be read (${how}): remove it`, { cause: error });
  }
}
