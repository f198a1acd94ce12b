import { readFileSync } from 'node:fs';

/**
 * How many files and sockets the kernel lets this process open: the soft limit, which Node raises to the hard one
 * when it starts. Infinity where it is unlimited or unknown.
 */
export function openFilesLimit(): number {
  try {
    return softLimitOf(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    // Not Linux, or no /proc: the fixed bound on connections stays.
    return Number.POSITIVE_INFINITY;
  }
}

/** The soft limit in the text of `/proc/<pid>/limits` (proc_pid_limits(5)). */
export function softLimitOf(limits: string): number {
  const value = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return value === undefined || value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
}
