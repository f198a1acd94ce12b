import { sign, generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second (USER_HZ). */
const MILLISECONDS_PER_TICK = 10;

/** User and system CPU time of a process so far, its ended children included, in milliseconds. */
export function processCpuMs(pid: number): number {
  const [user, system, childUser, childSystem] = statFields(pid).slice(11, 15).map(Number);
  const ticks = (user ?? 0) + (system ?? 0) + (childUser ?? 0) + (childSystem ?? 0);
  return ticks * MILLISECONDS_PER_TICK;
}

/** The same for a process with its living children: Postgres has one for every connection. */
export function processTreeCpuMs(pid: number): number {
  const children = readdirSync('/proc')
    .map(Number)
    .filter((candidate) => candidate > 0 && parentOf(candidate) === pid);
  return [pid, ...children].reduce((sum, member) => sum + processCpuMs(member), 0);
}

/** CPU time of one RSA-2048 signature by itself, in milliseconds. */
export function bareSignatureCpuMs(signatures = 2000): number {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const message = Buffer.alloc(512, 'x');
  const before = process.cpuUsage();
  for (let done = 0; done < signatures; done += 1) sign('sha256', message, privateKey);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / signatures;
}

function parentOf(pid: number): number | null {
  try {
    return Number(statFields(pid)[1]);
  } catch {
    return null; // It ended while we were looking.
  }
}

/** The fields of /proc/<pid>/stat behind the command's name, which may hold anything. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
