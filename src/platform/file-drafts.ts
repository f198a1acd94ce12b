import { createHash, randomBytes } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, pidNamespace, startTicksOf } from './linux-process.js';

/** No draft is written for so long. It counts where nobody can tell whether the writer still lives. */
const ABANDONED_AFTER_MS = 60_000;

/** `<file>.draft-<machine>-<pid>-<start of the process>-<random>` */
const DRAFT = /\.draft-([0-9a-f]{8})-(\d+)-(\d*)-[0-9a-f]{12}$/;

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** How versions before this naming called their drafts. A crash of such a version left them for ever. */
const EARLIER_DRAFT = new RegExp(
  `^(?:(?:service\\.lock|postgres-password|postgres-\\d[\\w.-]*)\\.${UUID}` +
    '|(?:published-keys\\.json|dropped-keys\\.json|last-checkpoint\\.jws)\\.\\d+' +
    '|(?:admin-token|key-encryption-key|sample-license-key)\\.[0-9a-f]{12})$',
);

/**
 * A name beside `path` that nobody else uses, for what is to take the place of `path` once it is
 * complete. The name says which process writes it, so that a later start can tell what is abandoned.
 */
export function draftPath(path: string): string {
  const writer = `${machine()}-${process.pid}-${startTicksOf(process.pid) ?? ''}`;
  return `${path}.draft-${writer}-${randomBytes(6).toString('hex')}`;
}

/**
 * Removes the drafts in a folder whose writers are gone. Never throws: whatever is left is looked at
 * again by the next start.
 * @returns the names of what was removed
 */
export async function sweepDrafts(folder: string, now: Date): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (!(await isAbandoned(path, name, now))) continue;
    const gone = await rm(path, { recursive: true, force: true }).then(
      () => true,
      () => false,
    );
    if (gone) removed.push(name);
  }
  return removed;
}

async function isAbandoned(path: string, name: string, now: Date): Promise<boolean> {
  const draft = DRAFT.exec(name);
  if (!draft && !EARLIER_DRAFT.test(name)) return false;
  const [, writtenOn, pid, startTicks] = draft ?? [];
  if (writtenOn === machine()) return startTicksOf(Number(pid)) !== startTicks;
  // Written before a reboot, in another container, on another machine, or by an earlier version.
  const { mtimeMs } = await lstat(path).catch(() => ({ mtimeMs: Infinity }));
  return now.getTime() - mtimeMs > ABANDONED_AFTER_MS;
}

/** Only where both are the same does a pid name the same process. */
function machine(): string {
  return createHash('sha256').update(`${bootId()} ${pidNamespace()}`).digest('hex').slice(0, 8);
}
