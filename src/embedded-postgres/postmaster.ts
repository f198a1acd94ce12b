import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childOptions, type ServerAccount } from './account.js';
import { isPostgresOf, postgresProcessesOf } from './postgres-processes.js';

export interface PostmasterOptions {
  readonly binary: string;
  readonly account: ServerAccount | undefined;
  readonly clusterDir: string;
  readonly logFile: string;
  readonly settings: Readonly<Record<string, string>>;
}

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** Resolves when it has ended, with the reason. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

/** The server ended before it was ready. */
export class PostmasterFailure extends Error {
  constructor(
    message: string,
    /** The port is taken, or the children of a killed server have not ended yet. */
    readonly passing: boolean,
    readonly logFile: string,
  ) {
    super(message);
  }
}

/** Settings on the command line override the configuration files of the cluster. */
function serverArguments(options: PostmasterOptions, port: number): string[] {
  const settings: Record<string, string> = {
    ...options.settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    logging_collector: 'off',
    log_destination: 'stderr',
    log_checkpoints: 'off',
    // Errors go to their client. In the log they would show values of the client.
    log_min_messages: 'log',
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
    log_statement: 'none',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', options.clusterDir, ...flags];
}

/** Starts the server. Resolves when it accepts connections; an abort stops it again. */
export async function startPostmaster(
  options: PostmasterOptions,
  port: number,
  signal: AbortSignal,
): Promise<Postmaster> {
  signal.throwIfAborted();
  const log = await open(options.logFile, 'a', 0o600);
  const { size } = await log.stat();
  // In its own session it does not get a Ctrl-C of the terminal: we stop it last.
  const child = spawn(options.binary, serverArguments(options, port), {
    ...childOptions(options.account),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  // A signal that cannot be delivered must not end this process.
  child.on('error', () => undefined);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, by) => {
      resolve(by ? `killed by ${by}` : `ended with code ${code ?? 'unknown'}`);
    });
  });
  try {
    await once(child, 'spawn');
  } finally {
    await log.close();
  }
  while (!(await isReady(options.clusterDir, child))) {
    if (hasExited(child)) throw await failure(options.logFile, size);
    if (signal.aborted) {
      await stopChild(child);
      signal.throwIfAborted();
    }
    await sleep(10);
  }
  return { pid: child.pid ?? 0, port, exited, stop: () => stopChild(child) };
}

/**
 * Stops the server that a killed service left running in this data directory. It also removes a stale
 * postmaster.pid, with which Postgres would never start: its pid belongs to another process now, or it
 * is empty, because its server was killed before it wrote its pid.
 */
export async function stopOrphan(clusterDir: string, log: (line: string) => void): Promise<void> {
  const pid = Number((await pidFile(clusterDir))[0]);
  if (!isPostgresOf(pid, clusterDir)) {
    // A process that still runs here may be about to write it.
    const isAbandoned = pid > 1 || postgresProcessesOf(clusterDir).length === 0;
    if (isAbandoned) await rm(join(clusterDir, 'postmaster.pid'), { force: true });
    return;
  }
  log(`stopping the Postgres that an earlier process left behind (pid ${pid})`);
  await stopGradually(
    (by) => {
      signalUnlessGone(pid, by);
    },
    () => !isPostgresOf(pid, clusterDir),
  );
}

/** Kills the children of a killed postmaster: they keep the next one from starting. */
export function killLeftoverProcesses(clusterDir: string): void {
  for (const pid of postgresProcessesOf(clusterDir)) signalUnlessGone(pid, 'SIGKILL');
}

function signalUnlessGone(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

function stopChild(child: ChildProcess): Promise<void> {
  return stopGradually(
    (by) => child.kill(by),
    () => hasExited(child),
  );
}

/** A fast shutdown, then an immediate one, then a kill. */
async function stopGradually(
  kill: (signal: NodeJS.Signals) => void,
  isGone: () => boolean,
): Promise<void> {
  const steps = [
    { by: 'SIGINT', withinMs: 5000 },
    { by: 'SIGQUIT', withinMs: 1500 },
    { by: 'SIGKILL', withinMs: 1500 },
  ] as const;
  for (const { by, withinMs } of steps) {
    if (isGone()) return;
    kill(by);
    const deadline = performance.now() + withinMs;
    while (!isGone() && performance.now() < deadline) await sleep(10);
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Postgres writes its pid in line 1 of postmaster.pid, and its state in line 8. */
async function isReady(clusterDir: string, child: ChildProcess): Promise<boolean> {
  const lines = await pidFile(clusterDir);
  return Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready';
}

/** The port of the server that is ready in this directory (line 4 of postmaster.pid), else null. */
export async function portOf(clusterDir: string): Promise<number | null> {
  const [pid, , , port, , , , state] = await pidFile(clusterDir);
  return isPostgresOf(Number(pid), clusterDir) && state?.trim() === 'ready' ? Number(port) : null;
}

async function pidFile(clusterDir: string): Promise<string[]> {
  const text = await readFile(join(clusterDir, 'postmaster.pid'), 'utf8').catch(() => '');
  return text.split('\n');
}

async function failure(logFile: string, since: number): Promise<PostmasterFailure> {
  const text = (await readFile(logFile)).subarray(since).toString('utf8').trim();
  const passing = /could not bind|shared memory block|lock file "postmaster.pid"/.test(text);
  const tail = text.split('\n').slice(-15).join('\n');
  return new PostmasterFailure(
    `the embedded Postgres did not start. The end of ${logFile}:\n${tail}\n` +
      'Correct what it names and start again, or set DATABASE_URL to use another Postgres',
    passing,
    logFile,
  );
}
