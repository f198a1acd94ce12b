import { isDatabaseAway, TROUBLES, troubleOf } from './database/away.js';
import { MigrationHeldUpError } from './database/migration-locks.js';
import { DatabaseClosedError } from './database/database-closed.js';
import { DataDirInUseError } from './embedded-postgres/data-dir-lock.js';
import { EmbeddedPostgresError } from './embedded-postgres/trouble.js';
import { codeOf } from './platform/code-of.js';
import { fileTrouble, noSpaceLeft } from './platform/file-trouble.js';
import type { ServiceConfig } from './platform/service-config.js';
import { StartRefusedError } from './platform/start-refused.js';
import { KeysSetBackError } from './signing-keys/unpublished-keys.js';

const UNTIL_THEN = 'kept keys are published, nothing is issued';
const UNKNOWN = 'the database cannot be brought up: the log of this process says why';
/** SQLSTATE disk_full and insufficient_privilege. */
const DISK_FULL = '53100';
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * The HSM cannot be used. It may come back, so a service that already publishes keys goes on trying. This
 * process does not try a refused PIN again, so it does not lock the HSM.
 */
export class HsmRefusedError extends StartRefusedError {}

/** The message of these errors says what to correct, and may stand on a status page. */
const CLEAR = [DataDirInUseError, KeysSetBackError, MigrationHeldUpError, StartRefusedError];

/** The message of these errors is also clear as the last line of a start. */
const CLEAR_ALONE = [DataDirInUseError, EmbeddedPostgresError, StartRefusedError];

/** Why the service is not up yet. */
export interface Obstacle {
  /** One line with path and remedy, without secrets: for the log and the readiness. */
  readonly text: string;
  /** The database is away. It comes back by itself, so attempts are frequent. */
  readonly isAway: boolean;
}

export function obstacleOf(error: unknown, config: ServiceConfig): Obstacle {
  const text = remedyFor(error, config);
  if (text !== null) return { text, isAway: false };
  return isDatabaseAway(error)
    ? { text: `${TROUBLES[troubleOf(error) ?? 'away']}: ${UNTIL_THEN}`, isAway: true }
    : { text: UNKNOWN, isAway: false };
}

/** A wrong setting stays wrong, so it ends the start even of a service that publishes keys. */
export function isWrongSetting(error: unknown): boolean {
  if (error instanceof DatabaseClosedError || error instanceof HsmRefusedError) return false;
  return error instanceof StartRefusedError || error instanceof DataDirInUseError;
}

/** Whether even a first start waits until the obstacle has passed. */
export function passesByItself(error: unknown, config: ServiceConfig): boolean {
  if (error instanceof KeysSetBackError || error instanceof MigrationHeldUpError) return true;
  // The embedded Postgres is on our own disk, and somebody has to free space there.
  return isDatabaseAway(error) && !(config.embedded && codeOf(error) === DISK_FULL);
}

/** The last error of a start that has nothing to publish. It says what to correct if that is known. */
export function refusalOf(error: unknown, config: ServiceConfig): unknown {
  const isClear = CLEAR_ALONE.some((kind) => error instanceof kind);
  const text = isClear ? null : remedyFor(error, config);
  if (text === null) return error;
  return new StartRefusedError(`The service cannot start: ${text}.`, { cause: error });
}

function remedyFor(error: unknown, config: ServiceConfig): string | null {
  if (error instanceof EmbeddedPostgresError) return error.summary;
  if (error instanceof Error && CLEAR.some((kind) => error instanceof kind)) return error.message;
  const code = codeOf(error);
  if (code === DISK_FULL) {
    return config.embedded
      ? `embedded Postgres cannot write: ${noSpaceLeft(config.dataDir)}`
      : 'the disk of the database is full: free space on its server';
  }
  if (code === INSUFFICIENT_PRIVILEGE && error instanceof Error) {
    return `the user of DATABASE_URL lacks a privilege (${error.message}): grant it`;
  }
  return fileTrouble(error, config.dataDir);
}
