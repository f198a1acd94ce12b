import { realpath, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DataDirInUseError } from '../platform/data-dir-lock.js';
import { PostmasterFailure } from './postmaster.js';
import { fileTrouble, hasErrno, noSpaceLeft } from '../platform/file-trouble.js';

/** With less room than this Postgres does not even get to say in its log that the disk is full. */
const NO_ROOM_BYTES = 1024 * 1024;
const DISK_FULL = /No space left on device/;
/** SQLSTATE invalid_password. */
const INVALID_PASSWORD = '28P01';

/** The embedded Postgres does not start. The message may have lines of its log; none has a secret. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    message: string,
    /** One line for a status page: what is wrong, where, and what to do. */
    readonly summary: string,
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The same failure with what an operator can do about it. Two failures say that already. */
export async function embeddedPostgresTrouble(error: unknown, dataDir: string): Promise<unknown> {
  const isClear = error instanceof DataDirInUseError;
  const isGivenUp = error instanceof Error && error.name === 'AbortError';
  if (isClear || isGivenUp) return error;
  const { message, line } = await toldOf(error, dataDir);
  return new EmbeddedPostgresError(message, `embedded Postgres cannot start: ${line}`, {
    cause: error,
  });
}

async function toldOf(error: unknown, dataDir: string) {
  const text = error instanceof Error ? error.message : String(error);
  const full = await fullFolder(error, text, dataDir);
  const trouble = full === null ? fileTrouble(error, dataDir) : noSpaceLeft(full);
  if (trouble !== null) return told(trouble);
  if (hasErrno(error, INVALID_PASSWORD)) {
    const path = join(dataDir, 'postgres-password');
    return told(`${path} is not the password of this cluster: bring back the file that is`);
  }
  if (error instanceof PostmasterFailure) {
    return { message: text, line: `mend what the end of ${error.logFile} names` };
  }
  return { message: text, line: text.replaceAll(/\s+/g, ' ').slice(0, 500) };
}

function told(line: string) {
  return { message: `The embedded Postgres cannot start: ${line}.`, line };
}

/** Null when a full disk is not what it failed for. */
async function fullFolder(error: unknown, text: string, dataDir: string): Promise<string | null> {
  // Root's cluster may lie elsewhere.
  const cluster = await realpath(join(dataDir, 'postgres')).catch(() => dataDir);
  for (const folder of [dataDir, cluster]) if (await hasNoRoom(folder)) return folder;
  return hasErrno(error, 'ENOSPC') || DISK_FULL.test(text) ? dataDir : null;
}

async function hasNoRoom(folder: string): Promise<boolean> {
  const room = await statfs(folder).catch(() => null);
  if (room === null) return false;
  // Some file systems count no files.
  return room.bavail * room.bsize < NO_ROOM_BYTES || (room.files > 0 && room.ffree === 0);
}
