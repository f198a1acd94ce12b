import { DataDirInUseError } from './platform/data-dir-lock.js';
import { isDatabaseAway, TROUBLES, troubleOf } from './database/away.js';
import { EmbeddedPostgresError } from './embedded-postgres/trouble.js';
import { fileTrouble, hasErrno, noSpaceLeft } from './platform/file-trouble.js';
import { MigrationHeldUpError } from './database/migration-locks.js';
import type { ServiceConfig } from './platform/service-config.js';
import {
  DatabaseClosedError,
  StartRefusedError,
  TokenRefusedError,
} from './refusals-of-a-start.js';
import { KeysSetBackError } from './signing-keys/dropped-keys.js';

const UNTIL_THEN = 'keys of the last run are published, nothing is issued';
const UNKNOWN = 'the database cannot be brought up: the log of this process says why';
/** SQLSTATE disk_full and insufficient_privilege. */
const DISK_FULL = '53100';
const INSUFFICIENT_PRIVILEGE = '42501';

/** Errors whose own text says what to mend, and holds nothing that a status page must not show. */
const CLEAR = [DataDirInUseError, KeysSetBackError, MigrationHeldUpError, StartRefusedError];

/** Errors whose text needs no frame to be understood as the last line of a start. */
const CLEAR_ALONE = [DataDirInUseError, EmbeddedPostgresError, StartRefusedError];

/** Why the database is not up yet. */
export interface Obstacle {
  /** One line with path and remedy, without secrets: for the log and the readiness. */
  readonly text: string;
  /** Nothing is wrong here: the database comes back by itself, and then every second counts. */
  readonly passesByItself: boolean;
}

export function obstacleOf(error: unknown, config: ServiceConfig): Obstacle {
  const text = mendableText(error, config);
  if (text !== null) return { text, passesByItself: false };
  return isDatabaseAway(error)
    ? { text: `${TROUBLES[troubleOf(error) ?? 'away']}: ${UNTIL_THEN}`, passesByItself: true }
    : { text: UNKNOWN, passesByItself: false };
}

/** What is wrong with a setting, and stays wrong: a start that meets it ends, whatever it publishes. */
export function isWrongSetting(error: unknown): boolean {
  if (error instanceof DatabaseClosedError || error instanceof TokenRefusedError) return false;
  return error instanceof StartRefusedError || error instanceof DataDirInUseError;
}

/** What passes without anybody mending this service: a first start waits for it. */
export function passes(error: unknown, config: ServiceConfig): boolean {
  if (error instanceof KeysSetBackError || error instanceof MigrationHeldUpError) return true;
  // The embedded Postgres is on our own disk, which somebody has to clear.
  return isDatabaseAway(error) && !(config.embedded && hasErrno(error, DISK_FULL));
}

/** What ends a start that has nothing to publish: with what to mend, where that is known. */
export function refusalOf(error: unknown, config: ServiceConfig): unknown {
  const isClear = CLEAR_ALONE.some((kind) => error instanceof kind);
  const text = isClear ? null : mendableText(error, config);
  if (text === null) return error;
  return new StartRefusedError(`The service cannot start: ${text}.`, { cause: error });
}

function mendableText(error: unknown, config: ServiceConfig): string | null {
  if (error instanceof EmbeddedPostgresError) return error.summary;
  if (error instanceof Error && CLEAR.some((kind) => error instanceof kind)) return error.message;
  if (hasErrno(error, DISK_FULL)) {
    return config.embedded
      ? `embedded Postgres cannot write: ${noSpaceLeft(config.dataDir)}`
      : 'the disk of the database is full: free space on its server';
  }
  if (hasErrno(error, INSUFFICIENT_PRIVILEGE) && error instanceof Error) {
    return `the user of DATABASE_URL may not do what is needed (${error.message}): grant it`;
  }
  return fileTrouble(error, config.dataDir);
}
