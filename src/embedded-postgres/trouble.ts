import { realpath, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../platform/code-of.js';
import { fileTrouble, noSpaceLeft } from '../platform/file-trouble.js';
import { DataDirInUseError } from './data-dir-lock.js';
import { PostmasterFailure } from './postmaster.js';

/** With less room than this, Postgres cannot even log that the disk is full. */
const NO_ROOM_BYTES = 1024 * 1024;
const DISK_FULL = /No space left on device/;
/** SQLSTATE invalid_password. */
const INVALID_PASSWORD = '28P01';

/** The embedded Postgres does not start. The message may quote its log, which has no secrets. */
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

/** Adds to a failure what an operator can do about it. */
export async function embeddedPostgresTrouble(error: unknown, dataDir: string): Promise<unknown> {
  const isAborted = error instanceof Error && error.name === 'AbortError';
  if (isAborted || error instanceof DataDirInUseError) return error;
  const { message, line } = await remedyFor(error, dataDir);
  return new EmbeddedPostgresError(message, `embedded Postgres cannot start: ${line}`, {
    cause: error,
  });
}

async function remedyFor(error: unknown, dataDir: string) {
  const text = error instanceof Error ? error.message : String(error);
  const full = await fullFolder(error, text, dataDir);
  const trouble = full === null ? fileTrouble(error, dataDir) : noSpaceLeft(full);
  if (trouble !== null) return withSubject(trouble);
  if (codeOf(error) === INVALID_PASSWORD) {
    const path = join(dataDir, 'postgres-password');
    return withSubject(`${path} is not the password of this cluster: restore the right file`);
  }
  if (error instanceof PostmasterFailure) {
    return { message: text, line: `correct what the end of ${error.logFile} names` };
  }
  return { message: text, line: text.replaceAll(/\s+/g, ' ').slice(0, 500) };
}

function withSubject(line: string) {
  return { message: `The embedded Postgres cannot start: ${line}.`, line };
}

/** The folder on a full disk that made the start fail; null when the failure has another reason. */
async function fullFolder(error: unknown, text: string, dataDir: string): Promise<string | null> {
  // Root's cluster may lie elsewhere.
  const cluster = await realpath(join(dataDir, 'postgres')).catch(() => dataDir);
  for (const folder of [dataDir, cluster]) if (await hasNoRoom(folder)) return folder;
  return codeOf(error) === 'ENOSPC' || DISK_FULL.test(text) ? dataDir : null;
}

async function hasNoRoom(folder: string): Promise<boolean> {
  const room = await statfs(folder).catch(() => null);
  if (room === null) return false;
  // Some file systems count no files.
  return room.bavail * room.bsize < NO_ROOM_BYTES || (room.files > 0 && room.ffree === 0);
}
