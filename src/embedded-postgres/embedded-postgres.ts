import { chmod, chown, mkdir, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, DatabaseError } from 'pg';
import { serverAccount } from './account.js';
import { postgresBinaries } from './binaries.js';
import { connectionStringOf, openCluster } from './cluster.js';
import { lockDataDir } from './data-dir-lock.js';
import { SupervisedPostmaster } from './supervisor.js';
import { embeddedPostgresTrouble } from './trouble.js';

export interface EmbeddedPostgresOptions {
  /** Holds the cluster, its password and its log. Made when missing, readable for us alone. */
  readonly dataDir: string;
  /** Receives readable lines without secrets. */
  readonly log: (line: string) => void;
  /** Postgres settings, except those for durability, the loopback and the log. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Called when the server dies by itself, with the reason. The server is then restarted. */
  readonly onUnexpectedExit?: (how: string) => void;
  /** Aborts a start that is under way. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedPostgres {
  readonly connectionString: string;
  /** The server's process id. It changes with a restart. */
  readonly pid: number;
  /** Ends it for good: a fast shutdown, or a kill when that takes too long. */
  stop(): Promise<void>;
}

export const DATABASE = 'cloud_connector_issuer';

/**
 * Starts the Postgres that npm installed, on a free port of the loopback interface, and keeps it running
 * until `stop()`: a server that dies is restarted on the same port. Only one process at a time may use a
 * data directory. A server that a killed process left running there is stopped first.
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
 * As root, the new folder lets the server's account pass through and read nothing. So the cluster can
 * be in the data directory, where the operator looks for it.
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
