import { transformFileSync } from '@swc/core';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type QueryResultRow } from 'pg';
import { clusterOutside } from '../../src/embedded-postgres/cluster.js';

/** A process that only owns an embedded Postgres. A test can kill it, or run it as another user. */
export interface ServiceProcess {
  readonly child: ChildProcess;
  /** What it has logged so far, line by line. */
  readonly lines: string[];
  /** Resolves when its Postgres serves; rejects with what it logged when it ends before that. */
  readonly serving: Promise<{ connectionString: string; pid: number }>;
}

export interface ServiceProcessOptions {
  readonly uid?: number;
  readonly gid?: number;
}

const SRC = resolve(__dirname, '../../src');
const ROOM = 'embedded-postgres';
/** All that the folder needs from another one. */
const OF_PLATFORM = ['code-of', 'file-trouble', 'free-port', 'linux-process', 'write-file-whole'];
export const NODE_MODULES = resolve(__dirname, '../../node_modules');

const SCRIPT = `
const { startEmbeddedPostgres } = require('./embedded-postgres/embedded-postgres.js');
startEmbeddedPostgres({ dataDir: process.argv[2], log: (line) => console.error(line) }).then(
  (server) => {
    process.on('SIGTERM', () => server.stop());
    console.log(JSON.stringify({ connectionString: server.connectionString, pid: server.pid }));
  },
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
`;

/** Compiles what a service process needs into a folder that every user can read. */
export async function buildServiceProcess(nodeModules = NODE_MODULES): Promise<string> {
  const build = await mkdtemp(join(tmpdir(), 'cloud-connector-issuer-build-'));
  await chmod(build, 0o755);
  const own = (await readdir(join(SRC, ROOM))).map((name) => join(ROOM, name));
  const files = [...own, ...OF_PLATFORM.map((name) => join('platform', `${name}.ts`))];
  for (const folder of [ROOM, 'platform']) await mkdir(join(build, folder), { mode: 0o755 });
  for (const name of files) {
    const { code } = transformFileSync(join(SRC, name), {
      swcrc: false,
      jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    await writeFile(join(build, name.replace(/ts$/, 'js')), code);
  }
  await writeFile(join(build, 'service.js'), SCRIPT);
  await symlink(nodeModules, join(build, 'node_modules'));
  return build;
}

export function startServiceProcess(
  build: string,
  dataDir: string,
  options: ServiceProcessOptions = {},
): ServiceProcess {
  const child = spawn(process.execPath, [join(build, 'service.js'), dataDir], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  const lines: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    lines.push(...text.trimEnd().split('\n'));
  });
  const serving = new Promise<{ connectionString: string; pid: number }>((done, fail) => {
    child.stdout.setEncoding('utf8').once('data', (line: string) => {
      done(JSON.parse(line) as { connectionString: string; pid: number });
    });
    child.once('close', () => {
      fail(new Error(lines.join('\n')));
    });
  });
  // A test that kills the process before it serves does not wait for this.
  serving.catch(() => undefined);
  return { child, lines, serving };
}

export async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** A folder for a data directory that the server's account can enter, also when we are root. */
export async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cloud-connector-issuer-spec-'));
  await chmod(folder, 0o711);
  return folder;
}

export function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

/** Removes a data directory together with a cluster that lies outside of it. */
export async function removeDataDir(dataDir: string): Promise<void> {
  const outside = await clusterOutside(dataDir);
  if (outside) await remove(outside);
  await remove(dataDir);
}

/** One query on a connection of its own. */
export async function ask<Row extends QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Tries until it succeeds, and resolves with how many milliseconds that took. */
export async function eventually(attempt: () => unknown, withinMs: number): Promise<number> {
  const start = performance.now();
  for (;;) {
    try {
      await attempt();
      return performance.now() - start;
    } catch (error) {
      if (performance.now() - start > withinMs) throw error;
    }
    await sleep(10);
  }
}
