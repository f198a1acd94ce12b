import { readFileSync } from 'node:fs';

/**
 * How many files and sockets this process may open: the soft limit, which Node raises to the hard limit when it
 * starts. Infinity when it is unlimited or unknown.
 */
export function openFilesLimit(): number {
  try {
    return softLimitOf(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    // Without /proc only the fixed limit on connections applies.
    return Number.POSITIVE_INFINITY;
  }
}

/** The soft limit in the text of `/proc/<pid>/limits` (proc_pid_limits(5)). */
export function softLimitOf(limits: string): number {
  const value = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return value === undefined || value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
}
