import { realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { dataDirOwner } from '../platform/data-dir-lock.js';
import { DATABASE } from './embedded-postgres.js';
import { connectionStringOf, existingPassword } from './cluster.js';
import { portOf } from './postmaster.js';

const RETRY_MS = 100;
/** A service that has just been started needs no longer for its Postgres. */
const READY_WITHIN_MS = 10_000;

/**
 * How to reach the embedded Postgres of a service that another process runs in this data directory;
 * null when none does. Whoever may read the folder may ask.
 */
export async function neighboursPostgres(dataDir: string): Promise<string | null> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const owner = await dataDirOwner(dataDir);
    if (owner === undefined) return null;
    const clusterDir = await realpath(join(dataDir, 'postgres')).catch(() => null);
    const port = clusterDir === null ? null : await portOf(clusterDir);
    if (port !== null) return connectionStringOf(await existingPassword(dataDir), port, DATABASE);
    if (performance.now() > deadline) {
      throw new Error(
        `the process with pid ${owner} has the data directory ${dataDir}, but no Postgres runs in it`,
      );
    }
    await sleep(RETRY_MS);
  }
}
