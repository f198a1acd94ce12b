import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, startTicksOf } from './linux-process.js';

export interface DataDirLock {
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly startTicks: string;
  readonly bootId: string;
}

const LOCK_FILE = 'service.lock';

/**
 * Takes a data directory for this process, or throws and names the process that has it.
 * The lock of a process that is gone counts for nothing, whoever has its pid by now.
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const path = join(dataDir, LOCK_FILE);
  const mine = ownClaim();
  const claim = `${path}.${randomUUID()}`;
  await writeFile(claim, mine, { mode: 0o600 });
  try {
    while (!(await linked(claim, path))) await clearStaleLock(dataDir);
  } finally {
    await rm(claim, { force: true });
  }
  return {
    release: async () => {
      if ((await contentOf(path)) === mine) await rm(path, { force: true });
    },
  };
}

/** The pid of the living process that holds this data directory, or undefined. */
export async function dataDirOwner(dataDir: string): Promise<number | undefined> {
  return livingOwner(await contentOf(join(dataDir, LOCK_FILE)));
}

/** Whether a process has locked this directory and not released it, living or not. */
export async function hasLockFile(dataDir: string): Promise<boolean> {
  return (await contentOf(join(dataDir, LOCK_FILE))) !== undefined;
}

/** A hard link appears whole or not at all, so nobody ever reads half a lock. */
async function linked(claim: string, path: string): Promise<boolean> {
  try {
    await link(claim, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Two starts may find the same stale lock, and the slower one then moves away what the faster one has
 * just put there. It sees that in what it moved, and puts it back.
 */
async function clearStaleLock(dataDir: string): Promise<void> {
  const path = join(dataDir, LOCK_FILE);
  refuseWhenHeld(dataDir, await contentOf(path));
  const moved = `${path}.${randomUUID()}`;
  try {
    await rename(path, moved);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  try {
    const content = await contentOf(moved);
    if (livingOwner(content) !== undefined) await linked(moved, path);
    refuseWhenHeld(dataDir, content);
  } finally {
    await rm(moved, { force: true });
  }
}

function refuseWhenHeld(dataDir: string, content: string | undefined): void {
  const pid = livingOwner(content);
  if (pid === undefined) return;
  throw new Error(
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
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isErrno(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
