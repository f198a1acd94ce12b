import { randomUUID } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { canEnter } from '../../src/embedded-postgres/account.js';
import { clusterOutside } from '../../src/embedded-postgres/cluster.js';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.js';
import {
  ask,
  buildServiceProcess,
  endOf,
  NODE_MODULES,
  openFolder,
  remove,
  removeDataDir,
  startServiceProcess,
  type ServiceProcessOptions,
} from './service-process.js';

const PACKAGE = join('@embedded-postgres', `${process.platform}-${process.arch}`);
const NOBODY = { name: 'nobody', uid: 65534, gid: 65534 };
const asRoot = process.getuid?.() === 0 ? it : it.skip;
if (asRoot === it.skip) {
  process.stderr.write('skipped: only root can see what root and another user may do\n');
}

describe('as root, under another account', () => {
  asRoot('the database lies elsewhere when that account may not enter DATA_DIR', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cloud-connector-issuer-spec-'));
    const dataDir = join(folder, 'data');
    const lines: string[] = [];
    const start = (dir: string) =>
      startEmbeddedPostgres({ dataDir: dir, log: (line) => lines.push(line) });
    const first = await start(dataDir);
    const outside = (await clusterOutside(dataDir)) ?? '';
    try {
      await ask(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer');
      await first.stop();
      const { uid, mode } = await lstat(outside);
      expect([uid === 0, mode & 0o777]).toEqual([false, 0o700]);
      expect(dirname(outside)).toBe('/var/lib/cloud-connector-issuer/clusters');
      expect(lines).toEqual([expect.stringContaining(`lies in ${outside}`)]);

      const moved = join(folder, 'moved');
      await rename(dataDir, moved);
      const second = await start(moved);
      const kept = await ask(second.connectionString, 'SELECT * FROM kept');
      await second.stop();
      expect(kept).toEqual([{ answer: 42 }]);
      expect(lines).toHaveLength(1);

      await remove(outside);
      await expect(start(moved)).rejects.toThrow(`points to ${outside}, which does not exist`);
    } finally {
      await first.stop();
      await remove(outside);
      await remove(folder);
    }
  });

  asRoot('the binaries are copied when that account may not run them', async () => {
    const version = `18.4.0-spec.${randomUUID()}`;
    const staged = `/var/lib/cloud-connector-issuer/postgres-${version}`;
    const folder = await openFolder();
    const closed = await packageWithoutLinks(folder, version);
    await chmod(closed, 0o700);
    const build = await buildServiceProcess(closed);
    try {
      const service = startServiceProcess(build, join(folder, 'data'));
      const { connectionString, pid } = await service.serving;
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8');
      service.child.kill('SIGTERM');
      await endOf(service.child);

      expect(connectionString).toContain('127.0.0.1');
      expect(command.split('\0')[0]).toBe(join(staged, 'native', 'bin', 'postgres'));
      const { uid, mode } = await lstat(staged);
      expect([uid, mode & 0o777]).toEqual([0, 0o755]);

      await chmod(staged, 0o777);
      const refused = startServiceProcess(build, join(folder, 'data'));
      await expect(refused.serving).rejects.toThrow('writable by others');
    } finally {
      await remove(staged);
      await removeDataDir(join(folder, 'data'));
      await remove(build);
      await remove(folder);
    }
  });
});

describe('as an ordinary user', () => {
  asRoot('everything lies in DATA_DIR, and nothing is copied', async () => {
    if (!(await canEnter(NOBODY, NODE_MODULES))) {
      process.stderr.write(`skipped: ${NOBODY.name} can't enter ${NODE_MODULES}\n`);
      return;
    }
    const { uid, gid } = NOBODY;
    const folder = await openFolder();
    await chown(folder, uid, gid);
    const build = await buildServiceProcess();
    try {
      const service = startServiceProcess(build, join(folder, 'data'), { uid, gid });
      const { connectionString } = await service.serving;
      await expect(ask(connectionString, 'SELECT 1')).resolves.toHaveLength(1);
      service.child.kill('SIGTERM');
      await endOf(service.child);

      expect(service.lines).toEqual([]);
      expect((await lstat(join(folder, 'data', 'postgres'))).isDirectory()).toBe(true);
      expect((await readdir(join(folder, 'data'))).sort()).toEqual([
        'postgres',
        'postgres-password',
        'postgres.log',
      ]);
    } finally {
      await remove(build);
      await remove(folder);
    }
  });
});

describe('library links that the installation has not made', () => {
  it('are made in the package', async () => {
    const folder = await openFolder();
    const modules = await packageWithoutLinks(folder, '18.4.0-spec');
    const build = await buildServiceProcess(modules);
    try {
      await serveOnce(build, join(folder, 'data'));

      const link = join(modules, PACKAGE, 'native', 'lib', 'libicudata.so.60');
      await expect(readlink(link)).resolves.toBe('libicudata.so.60.2');
    } finally {
      await removeDataDir(join(folder, 'data'));
      await remove(build);
      await remove(folder);
    }
  });

  asRoot('are made in a copy under DATA_DIR when the package is read-only to us', async () => {
    const folder = await openFolder();
    const modules = await packageWithoutLinks(folder, '18.4.0-spec');
    const build = await buildServiceProcess(modules);
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, NOBODY.uid, NOBODY.gid);
    try {
      await serveOnce(build, dataDir, { uid: NOBODY.uid, gid: NOBODY.gid });

      expect(await readdir(dataDir)).toContain('postgres-18.4.0-spec');
      await expect(serveOnce(build, dataDir)).resolves.toBeUndefined();
    } finally {
      await remove(build);
      await remove(folder);
      await remove('/var/lib/cloud-connector-issuer/postgres-18.4.0-spec');
    }
  });
});

async function serveOnce(build: string, dataDir: string, as: ServiceProcessOptions = {}) {
  const service = startServiceProcess(build, dataDir, as);
  const { connectionString } = await service.serving;
  await ask(connectionString, 'SELECT 1');
  service.child.kill('SIGTERM');
  await endOf(service.child);
}

/** A node_modules as an installation leaves it that does not run the packages' scripts. */
async function packageWithoutLinks(folder: string, version: string): Promise<string> {
  const modules = join(folder, 'node_modules');
  await mkdir(modules, { mode: 0o755 });
  for (const name of await readdir(NODE_MODULES)) {
    if (name.startsWith('pg') || name.startsWith('postgres-') || name === 'split2')
      await symlink(join(NODE_MODULES, name), join(modules, name));
  }
  const copy = join(modules, PACKAGE);
  await cp(join(NODE_MODULES, PACKAGE), copy, { recursive: true, verbatimSymlinks: true });
  const manifest = JSON.parse(await readFile(join(copy, 'package.json'), 'utf8')) as object;
  await writeFile(join(copy, 'package.json'), JSON.stringify({ ...manifest, version }));
  const lib = join(copy, 'native', 'lib');
  for (const entry of await readdir(lib, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await unlink(join(lib, entry.name));
  }
  return modules;
}
