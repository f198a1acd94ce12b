import { chmod, chown, mkdir, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, DatabaseError } from 'pg';
import { lockDataDir } from '../platform/data-dir-lock.js';
import { serverAccount } from './account.js';
import { postgresBinaries } from './binaries.js';
import { connectionStringOf, openCluster } from './cluster.js';
import { embeddedPostgresTrouble } from './trouble.js';
import { SupervisedPostmaster } from './supervisor.js';

export interface EmbeddedPostgresOptions {
  /** Holds the cluster, its password and its log; made when missing, for us alone. */
  readonly dataDir: string;
  /** Gets readable lines without secrets. */
  readonly log: (line: string) => void;
  /** Postgres settings. Those that durability, loopback and the log depend on can't be changed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Told how the server ended when nobody here had asked it to. It is being restarted then. */
  readonly onUnexpectedExit?: (how: string) => void;
  /** Gives up a start that is under way. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedPostgres {
  readonly connectionString: string;
  /** The server's process; another one after it has died and come back. */
  readonly pid: number;
  /** Ends it for good: a fast shutdown, and a kill when that takes too long. */
  stop(): Promise<void>;
}

export const DATABASE = 'cloud_connector_issuer';

/**
 * Starts the Postgres that npm brings, on a free port of the loopback interface, and keeps it running
 * until `stop()`: a server that dies comes back on the same port. One process at a time has a data
 * directory; what a killed one left running in it is stopped first.
 * @throws {EmbeddedPostgresError | DataDirInUseError}
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  try {
    return await startIn(await makeDataDir(options.dataDir), options);
  } catch (error) {
    throw await embeddedPostgresTrouble(error, options.dataDir);
  }
}

async function startIn(
  dataDir: string,
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const lock = await lockDataDir(dataDir);
  try {
    const { server, password } = await startServer(dataDir, options);
    return {
      connectionString: connectionStringOf(password, server.port, DATABASE),
      get pid() {
        return server.pid;
      },
      stop: async () => {
        await server.stop();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Root makes the folder for the server's account too: it may pass through, and read nothing. So the
 * cluster lies where the operator looks for it.
 */
async function makeDataDir(path: string): Promise<string> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  const dataDir = await realpath(path);
  const account = made === undefined ? undefined : await serverAccount(dataDir);
  if (account) {
    await chown(dataDir, 0, account.gid);
    await chmod(dataDir, 0o710);
  }
  return dataDir;
}

async function startServer(dataDir: string, options: EmbeddedPostgresOptions) {
  const { log, signal = new AbortController().signal } = options;
  const account = await serverAccount(dataDir);
  const binaries = await postgresBinaries(dataDir, account, log);
  const { dir: clusterDir, password } = await openCluster({ dataDir, account, binaries, log });
  const server = await SupervisedPostmaster.start(
    {
      binary: binaries.postgres,
      account,
      clusterDir,
      logFile: await emptyLogFile(dataDir),
      settings: options.settings ?? {},
    },
    options,
    signal,
  );
  try {
    await createMissingDatabase(password, server.port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { server, password };
}

async function emptyLogFile(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres.log');
  const file = await open(path, 'w', 0o600);
  await file.chmod(0o600);
  await file.close();
  return path;
}

async function createMissingDatabase(password: string, port: number): Promise<void> {
  try {
    await query(connectionStringOf(password, port, DATABASE), 'SELECT 1');
  } catch (error) {
    const noSuchDatabase = error instanceof DatabaseError && error.code === '3D000';
    if (!noSuchDatabase) throw error;
    await query(connectionStringOf(password, port, 'postgres'), `CREATE DATABASE ${DATABASE}`);
  }
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
