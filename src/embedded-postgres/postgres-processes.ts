import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { startTicksOf } from '../platform/linux-process.js';

/** Whether `pid` is a living Postgres process whose data directory is `clusterDir` (a real path). */
export function isPostgresOf(pid: number, clusterDir: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'postgres') return false;
    // The working directory of Postgres is its data directory.
    return startTicksOf(pid) !== undefined && readlinkSync(`/proc/${pid}/cwd`) === clusterDir;
  } catch {
    return false;
  }
}

/** Every living Postgres process of this data directory: the postmaster and its children. */
export function postgresProcessesOf(clusterDir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isPostgresOf(pid, clusterDir));
}
