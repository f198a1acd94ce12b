import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * When a process started, in clock ticks since boot, as `/proc/<pid>/stat` has it. Together with the
 * pid it names one process for good, where a pid alone is handed out again.
 * Undefined when there is no such process, or only a zombie that nobody has reaped.
 */
export function startTicksOf(pid: number): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : fields[18];
}

/** Distinguishes equal pids and ticks before and after a reboot. */
export function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id').trim();
}

/** Whether `pid` is a living Postgres process whose data directory is `clusterDir` (a real path). */
export function isPostgresOf(pid: number, clusterDir: string): boolean {
  if (readProc(`/proc/${pid}/comm`).trim() !== 'postgres') return false;
  if (startTicksOf(pid) === undefined) return false;
  try {
    // Postgres changes into its data directory, and stays.
    return readlinkSync(`/proc/${pid}/cwd`) === clusterDir;
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

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
