import { realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { connectionStringOf, existingPassword } from './cluster.js';
import { dataDirOwner } from './data-dir-lock.js';
import { DATABASE } from './embedded-postgres.js';
import { portOf } from './postmaster.js';

const RETRY_MS = 100;
/** A service that was just started needs less time for its Postgres. */
const READY_WITHIN_MS = 10_000;

/**
 * The connection string of the embedded Postgres that another process runs in this data directory; null
 * when there is none. The caller must be able to read the folder.
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
        `the process with pid ${owner} holds the data directory ${dataDir}, but no Postgres runs in it`,
      );
    }
    await sleep(RETRY_MS);
  }
}
