import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * When a process started, in clock ticks since boot, as `/proc/<pid>/stat` has it. Together with the
 * pid it names one process for good, where a pid alone is handed out again.
 * Undefined when there is no such process, or only a zombie that nobody has reaped.
 */
export function startTicksOf(pid: number): string | undefined {
  const [state, ...fields] = statOf(pid);
  return state === 'Z' || state === 'X' ? undefined : fields[18];
}

/**
 * Whether this process was started in a terminal, and ends with it. Not so after `setsid`, which takes
 * the terminal away, and after `nohup`, which takes it from the standard streams.
 */
export function hasTerminal(): boolean {
  const [, , , , terminal] = statOf(process.pid);
  return terminal !== '0' && [0, 1, 2].some((descriptor) => isatty(descriptor));
}

/** Distinguishes equal pids and ticks before and after a reboot. */
export function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id').trim();
}

/** Distinguishes equal pids in two containers. */
export function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
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

/** The fields of `/proc/<pid>/stat` from the third one on, which is the state. */
function statOf(pid: number): string[] {
  const stat = readProc(`/proc/${pid}/stat`);
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
