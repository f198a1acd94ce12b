import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readlink, rename, symlink, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadyMs } from './clock.js';
import { errnoOf, InstanceClientError } from './errors.js';

/** The lock is held for one small write. After this time its holder is gone, on any machine. */
const STALE_AFTER_MS = 10_000;
const GIVE_UP_AFTER_MS = 30_000;
const HOST = hostname();

export interface FileLock {
  /** False when another process took it as abandoned. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/**
 * Takes the lock at `path`: a symbolic link whose target names its owner, which appears whole. The lock of a
 * killed owner is taken at once on the same machine, and after ten seconds on another one. The wall clock
 * does not matter.
 * @throws {InstanceClientError} STORE_BUSY after half a minute
 */
export async function lockFile(path: string): Promise<FileLock> {
  const mine = `${ownProcess()}/${randomUUID()}`;
  const begunMs = steadyMs();
  let seen = { owner: '', sinceMs: begunMs };
  while (!(await taken(path, mine))) {
    const owner = await ownerOf(path);
    const nowMs = steadyMs();
    if (owner === null) continue;
    if (seen.owner !== owner) seen = { owner, sinceMs: nowMs };
    if (isGone(owner) || nowMs - seen.sinceMs > STALE_AFTER_MS) {
      await clear(path, owner);
      continue;
    }
    if (nowMs - begunMs > GIVE_UP_AFTER_MS) {
      throw new InstanceClientError('STORE_BUSY', `${path} is held by another process`);
    }
    await sleep(2 + Math.random() * 8);
  }
  return {
    isHeld: async () => (await ownerOf(path)) === mine,
    release: async () => {
      if ((await ownerOf(path)) === mine) await removed(path);
    },
  };
}

async function taken(path: string, mine: string): Promise<boolean> {
  try {
    await symlink(mine, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Two processes may find the same abandoned lock, and the slower one may then move away the new lock of the
 * faster one. It checks what it moved, and puts a new lock back.
 */
async function clear(path: string, owner: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  const moved = await ownerOf(aside);
  if (moved !== null && moved !== owner) await taken(path, moved);
  await removed(aside);
}

/** `host/pid/start/unique`: the start distinguishes processes that had the same pid. */
function ownProcess(): string {
  return `${HOST}/${process.pid}/${startOf(process.pid) ?? ''}`;
}

function isGone(owner: string): boolean {
  const [host, pid = '', start] = owner.split('/');
  if (host !== HOST || !/^\d+$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
  const now = startOf(Number(pid));
  return now !== null && start !== '' && now !== start;
}

/** Clock ticks from the boot to its start (proc(5), field 22); null where there is no `/proc`. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may have any characters.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

async function ownerOf(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function removed(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
