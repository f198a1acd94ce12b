import { chown, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../src/embedded-postgres/embedded-postgres.js';
import {
  isPostgresOf,
  postgresProcessesOf,
} from '../../src/embedded-postgres/postgres-processes.js';
import { testServerUrl } from '../support/test-database.js';
import {
  ask,
  buildServiceProcess,
  endOf,
  eventually,
  openFolder,
  remove,
  startServiceProcess,
} from './service-process.js';

let build: string;
let dataDir: string;
let clusterDir: string;
let server: EmbeddedPostgres | undefined;
const lines: string[] = [];
const exits: string[] = [];

const start = async () => {
  server = await startEmbeddedPostgres({
    dataDir,
    log: (line) => lines.push(line),
    onUnexpectedExit: (how) => exits.push(how),
  });
  return server;
};

beforeAll(async () => {
  build = await buildServiceProcess();
});
afterAll(() => remove(build));

beforeEach(async () => {
  dataDir = await openFolder();
  clusterDir = join(dataDir, 'postgres');
  lines.length = 0;
  exits.length = 0;
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await remove(dataDir);
});

describe('a Postgres that is killed while it serves', () => {
  it('returns on the same port, with all confirmed writes', async () => {
    const { connectionString, pid } = await start();
    await ask(connectionString, 'CREATE TABLE confirmed AS SELECT 1 AS one');

    process.kill(pid, 'SIGKILL');
    await eventually(() => ask(connectionString, 'SELECT * FROM confirmed'), 10_000);

    expect(server?.pid).not.toBe(pid);
    expect(exits).toEqual(['killed by SIGKILL']);
    expect(lines.join('\n')).toMatch(/killed by SIGKILL[^]+is back/);
  });

  it('comes back even when one of its children is too busy to notice', async () => {
    const { connectionString, pid } = await start();
    const busy = new Client({ connectionString });
    busy.on('error', () => undefined);
    await busy.connect();
    const query = busy.query('SELECT count(*) FROM generate_series(1, 1e12) AS n WHERE n % 2 = 0');
    query.catch(() => undefined);
    await ask(connectionString, 'SELECT 1');

    process.kill(pid, 'SIGKILL');
    await eventually(() => ask(connectionString, 'SELECT 1'), 10_000);

    await expect(query).rejects.toThrow();
  });

  it('stays stopped when we stop it while it restarts', async () => {
    const { pid } = await start();

    process.kill(pid, 'SIGKILL');
    await eventually(() => {
      expect(exits).toHaveLength(1);
    }, 1000);
    await server?.stop();

    expect(postgresProcessesOf(clusterDir)).toEqual([]);
  });
});

describe('after kill -9 of the service', () => {
  it('the next start stops the Postgres that was left running, and keeps its data', async () => {
    const killed = startServiceProcess(build, dataDir);
    const orphan = await killed.serving;
    await ask(orphan.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer');
    killed.child.kill('SIGKILL');
    await endOf(killed.child);
    expect(isPostgresOf(orphan.pid, clusterDir)).toBe(true);

    const { connectionString, pid } = await start();

    expect(pid).not.toBe(orphan.pid);
    expect(isPostgresOf(orphan.pid, clusterDir)).toBe(false);
    expect(lines.join('\n')).toContain(`left behind (pid ${orphan.pid})`);
    await expect(ask(connectionString, 'SELECT * FROM kept')).resolves.toEqual([{ answer: 42 }]);
  });

  it('and of Postgres, the next start works although other processes have their pids', async () => {
    const killed = startServiceProcess(build, dataDir);
    const { pid } = await killed.serving;
    killed.child.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await eventually(() => {
      expect(postgresProcessesOf(clusterDir)).toEqual([]);
    }, 10_000);
    // Only a process of the same user would keep Postgres from starting.
    const [stranger] = await ask<{ pid: number }>(
      testServerUrl(),
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`,
    );
    await putPid(join(clusterDir, 'postmaster.pid'), pid, stranger?.pid ?? 0);
    await putPid(join(dataDir, 'service.lock'), killed.child.pid ?? 0, process.pid);

    const { connectionString } = await start();

    await expect(ask(connectionString, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('and of Postgres before it had written its pid, the next start works', async () => {
    const first = await start();
    await first.stop();
    await writeFile(join(clusterDir, 'postmaster.pid'), '');

    const { connectionString } = await start();

    await expect(ask(connectionString, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('in the middle of the first start, nothing half done is left', async () => {
    const killed = startServiceProcess(build, dataDir);
    await eventually(async () => {
      const names = await readdir(dataDir);
      const unfinished = names.find((name) => /^postgres\.initialising-[^.]*$/.test(name)) ?? '';
      await stat(join(dataDir, unfinished, 'pg_hba.conf'));
      expect(unfinished).not.toBe('');
    }, 5000);
    killed.child.kill('SIGKILL');
    await endOf(killed.child);
    expect(await readdir(dataDir)).not.toContain('postgres');

    const { connectionString } = await start();

    await expect(ask(connectionString, 'SELECT 1')).resolves.toHaveLength(1);
    expect((await readdir(dataDir)).sort()).toEqual(
      ['postgres', 'postgres-password', 'postgres.log', 'service.lock'].sort(),
    );
  });
});

describe('a service process', () => {
  it('ends by itself once its Postgres is stopped, and takes it along', async () => {
    const service = startServiceProcess(build, dataDir);
    const { pid } = await service.serving;

    service.child.kill('SIGTERM');
    await endOf(service.child);

    expect(service.child.exitCode).toBe(0);
    expect(isPostgresOf(pid, clusterDir)).toBe(false);
    expect(await readdir(clusterDir)).not.toContain('postmaster.pid');
  });

  it('is refused while another one has the data directory', async () => {
    await start();
    const second = startServiceProcess(build, dataDir);

    await expect(second.serving).rejects.toThrow(`in use by the process with pid ${process.pid}`);
    expect(second.child.exitCode).toBe(1);
  });
});

async function putPid(path: string, from: number, to: number): Promise<void> {
  const { uid, gid } = await stat(path);
  const text = await readFile(path, 'utf8');
  expect(text).toContain(String(from));
  await writeFile(path, text.replace(String(from), String(to)));
  await chown(path, uid, gid);
}
