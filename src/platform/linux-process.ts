import { readFileSync, readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * When a process started, in clock ticks since boot (`/proc/<pid>/stat`). The kernel reuses pids; pid and
 * start together name one process. Undefined when the process does not exist or is a zombie.
 */
export function startTicksOf(pid: number): string | undefined {
  const [state, ...fields] = statOf(pid);
  return state === 'Z' || state === 'X' ? undefined : fields[18];
}

/**
 * Whether this process runs in a terminal and ends with it. `setsid` takes the terminal away, and `nohup`
 * takes it from the standard streams.
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
