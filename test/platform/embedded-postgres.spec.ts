import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../src/embedded-postgres/embedded-postgres.js';
import {
  isPostgresOf,
  postgresProcessesOf,
} from '../../src/embedded-postgres/postgres-processes.js';
import { ask, openFolder, remove, removeDataDir } from './service-process.js';

describe('the embedded Postgres', () => {
  const lines: string[] = [];
  let dataDir: string;
  let server: EmbeddedPostgres;
  const start = (settings: Record<string, string> = {}) =>
    startEmbeddedPostgres({ dataDir, log: (line) => lines.push(line), settings });

  beforeAll(async () => {
    dataDir = await openFolder();
    server = await start({ fsync: 'off', synchronous_commit: 'off', listen_addresses: '*' });
  });
  afterAll(async () => {
    await server.stop();
    await remove(dataDir);
  });

  it('keeps confirmed writes, even with settings that ask for less', async () => {
    const settings = `SELECT current_setting('fsync') AS fsync,
      current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commit,
      current_setting('data_checksums') AS checksums, current_setting('server_encoding') AS encoding`;

    await expect(ask(server.connectionString, settings)).resolves.toEqual([
      { fsync: 'on', pages: 'on', commit: 'on', checksums: 'on', encoding: 'UTF8' },
    ]);
  });

  it('listens on the loopback interface and nowhere else', async () => {
    const { port } = new URL(server.connectionString);

    await expect(listenersOn(Number(port))).resolves.toEqual(['0100007F']);
    await expect(ask(server.connectionString, 'SHOW unix_socket_directories')).resolves.toEqual([
      { unix_socket_directories: '' },
    ]);
  });

  it('always asks for a password, and shows it nowhere', async () => {
    const password = new URL(server.connectionString).password;
    const file = join(dataDir, 'postgres-password');
    const told = [
      await readFile(`/proc/${server.pid}/cmdline`, 'utf8'),
      await readFile(`/proc/${server.pid}/environ`, 'utf8'),
      await readFile(join(dataDir, 'postgres.log'), 'utf8'),
      ...lines,
    ].join('\n');

    expect(Buffer.from(password, 'base64url').length).toBeGreaterThanOrEqual(32);
    expect(told).toContain('listen_addresses');
    expect(told).not.toContain(password);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700);
    const wrong = server.connectionString.replace(password, 'wrong');
    await expect(ask(wrong, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('passes nothing of our environment on to the server', async () => {
    const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8');

    expect(process.env.TEST_POSTGRES_URL).toBeDefined();
    expect(environment).not.toContain('TEST_POSTGRES_URL');
  });

  it('does not log the values of a failing statement', async () => {
    await ask(server.connectionString, 'CREATE TABLE keys (key text PRIMARY KEY)');
    const insert = `INSERT INTO keys VALUES ('hush-hush')`;
    await ask(server.connectionString, insert);

    await expect(ask(server.connectionString, insert)).rejects.toThrow('keys_pkey');
    await expect(ask(server.connectionString, `SELECT 'hush-hush'::int`)).rejects.toThrow('hush');
    const log = await readFile(join(dataDir, 'postgres.log'), 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('hush-hush');
    expect((await stat(join(dataDir, 'postgres.log'))).mode & 0o777).toBe(0o600);
  });

  it('is in a process group of its own, which Ctrl-C does not reach', async () => {
    const status = await readFile(`/proc/${server.pid}/stat`, 'utf8');
    const [, , processGroup, session] = status.slice(status.lastIndexOf(')') + 2).split(' ');

    expect([Number(processGroup), Number(session)]).toEqual([server.pid, server.pid]);
  });

  it('refuses a second owner of one data directory, and names the first', async () => {
    await expect(start()).rejects.toThrow(`in use by the process with pid ${process.pid}`);
    await expect(ask(server.connectionString, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('leaves no process behind when it stops, and keeps its data for the next start', async () => {
    await ask(server.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const { pid } = server;
    const clusterDir = join(dataDir, 'postgres');
    expect(isPostgresOf(pid, clusterDir)).toBe(true);

    await server.stop();
    expect(postgresProcessesOf(clusterDir)).toEqual([]);
    expect(await readdir(dataDir)).not.toContain('service.lock');

    const began = performance.now();
    server = await start();
    // Two seconds on a quiet machine.
    expect(performance.now() - began).toBeLessThan(5 * 2000);
    await expect(ask(server.connectionString, 'SELECT * FROM kept')).resolves.toEqual([
      { answer: 42 },
    ]);
  });

  it('says why it does not start, and releases the data directory', async () => {
    await server.stop();

    await expect(start({ shared_buffers: 'plenty' })).rejects.toThrow(
      /did not start[^]+shared_buffers[^]+DATABASE_URL/,
    );
    server = await start();
    await expect(ask(server.connectionString, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('refuses the data of another major version', async () => {
    await server.stop();
    const version = join(dataDir, 'postgres', 'PG_VERSION');
    const own = await readFile(version, 'utf8');
    await writeFile(version, '17\n');

    await expect(start()).rejects.toThrow('was made by Postgres 17');
    await writeFile(version, own);
    server = await start();
  });
});

describe('a data directory', () => {
  it('may have blanks in its path, and only its owner can read it', async () => {
    const folder = await openFolder();
    const dataDir = join(folder, `Ada's data $HOME`);
    const server = await startEmbeddedPostgres({ dataDir, log: () => undefined });

    try {
      await expect(ask(server.connectionString, 'SELECT 1')).resolves.toHaveLength(1);
      // As root, the account of the server may pass through to its cluster.
      const asRoot = process.getuid?.() === 0;
      expect((await stat(dataDir)).mode & 0o777).toBe(asRoot ? 0o710 : 0o700);
    } finally {
      await server.stop();
      await removeDataDir(dataDir);
      await remove(folder);
    }
  });
});

/** The local addresses on which a process listens on this port, as hexadecimal digits. */
async function listenersOn(port: number): Promise<string[]> {
  const tables = [
    await readFile('/proc/net/tcp', 'utf8'),
    await readFile('/proc/net/tcp6', 'utf8'),
  ];
  const listening = '0A';
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      const [address, hexPort] = (local ?? '').split(':');
      const wanted = state === listening && Number.parseInt(hexPort ?? '', 16) === port;
      return wanted && address ? [address] : [];
    }),
  );
}
