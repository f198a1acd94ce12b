import { chmod, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveTypeScript } from './resolve-typescript';

declare global {
  var stopTestPostgres: (() => Promise<void>) | undefined;
}

const FOLDER = 'cloud-connector-issuer-test-';

/** One server per test run; tests make databases of their own on it (test-database.ts). */
export default async function startTestPostgres(): Promise<void> {
  resolveTypeScript();
  const { startEmbeddedPostgres } =
    await import('../../src/embedded-postgres/embedded-postgres.js');
  const { prepareTemplate } = await import('./prepare-template.js');
  await removeKilledRuns();
  const dataDir = await mkdtemp(join(tmpdir(), FOLDER));
  // As root the server runs under another account, which has to pass through.
  await chmod(dataDir, 0o711);
  const lines: string[] = [];
  try {
    const server = await startEmbeddedPostgres({
      dataDir,
      log: (line) => lines.push(line),
      settings: { max_connections: '200', shared_buffers: '32MB' },
    });
    globalThis.stopTestPostgres = async () => {
      await server.stop();
      await removeDataDir(dataDir);
    };
    process.env.TEST_POSTGRES_URL = server.connectionString;
    process.env.TEST_KEYS_FOLDER = join(dataDir, 'ready-made-keys');
    await mkdir(process.env.TEST_KEYS_FOLDER, { mode: 0o700 });
    await prepareTemplate(server.connectionString);
  } catch (error) {
    await globalThis.stopTestPostgres?.();
    throw new Error(`no Postgres for the tests\n${lines.join('\n')}`, { cause: error });
  }
}

/** A run that was killed has left its folder, and a server that still runs in it. */
async function removeKilledRuns(): Promise<void> {
  const { dataDirOwner, hasLockFile } =
    await import('../../src/embedded-postgres/data-dir-lock.js');
  const { stopOrphan } = await import('../../src/embedded-postgres/postmaster.js');
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(FOLDER)) continue;
    const dataDir = join(tmpdir(), name);
    if (!(await hasLockFile(dataDir)) || (await dataDirOwner(dataDir)) !== undefined) continue;
    const clusterDir = await realpath(join(dataDir, 'postgres')).catch(() => undefined);
    if (clusterDir) await stopOrphan(clusterDir, () => undefined);
    await removeDataDir(dataDir);
  }
}

async function removeDataDir(dataDir: string): Promise<void> {
  const { clusterOutside } = await import('../../src/embedded-postgres/cluster.js');
  const outside = await clusterOutside(dataDir);
  if (outside) await rm(outside, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}
