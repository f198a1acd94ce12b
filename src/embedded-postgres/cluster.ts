import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canEnter, runAs, type ServerAccount } from './account.js';
import { makeStagingRoot, STAGING_ROOT, type PostgresBinaries } from './binaries.js';
import { syncToDisk, writeFileWhole } from '../platform/write-file-whole.js';

export interface ClusterOptions {
  readonly dataDir: string;
  readonly account: ServerAccount | undefined;
  readonly binaries: PostgresBinaries;
  readonly log: (line: string) => void;
}

export interface Cluster {
  /** The real path of Postgres's data directory. */
  readonly dir: string;
  readonly password: string;
}

const SUPERUSER = 'postgres';
/** Root's clusters are here when the server's account cannot enter their data directory. */
export const CLUSTERS = join(STAGING_ROOT, 'clusters');
const UNFINISHED = 'postgres.initialising-';

export function connectionStringOf(password: string, port: number, database: string): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

/** Whether a data directory has a cluster, or a link to one. */
export async function hasCluster(dataDir: string): Promise<boolean> {
  return isThere(join(dataDir, 'postgres'));
}

/** Opens the cluster of a data directory, and initialises one when there is none. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDir, account } = options;
  const path = join(dataDir, 'postgres');
  await removeUnfinished(dataDir);
  if (await hasCluster(dataDir)) {
    const dir = await existingCluster(path, options);
    return { dir, password: await existingPassword(dataDir) };
  }
  const password = await newPassword(dataDir);
  const inside = account === undefined || (await canEnter(account, dataDir));
  const unfinished = join(dataDir, `${UNFINISHED}${randomUUID()}`);
  if (!inside) await linkElsewhere(unfinished);
  try {
    await initialise(inside ? unfinished : await readlink(unfinished), password, options);
    // After a crash before this line, the next start removes what is left.
    await rename(unfinished, path);
  } catch (error) {
    // On a full disk, half a cluster would fill the room that is left.
    await removeUnfinished(dataDir).catch(() => undefined);
    throw error;
  }
  await syncToDisk(dataDir);
  const dir = await realpath(path);
  if (!inside) {
    options.log(`the database lies in ${dir}: ${account.name} cannot enter ${dataDir}`);
  }
  return { dir, password };
}

/** The path of the cluster when it is outside its data directory. */
export async function clusterOutside(dataDir: string): Promise<string | undefined> {
  return readlink(join(dataDir, 'postgres')).catch(() => undefined);
}

async function existingCluster(path: string, options: ClusterOptions): Promise<string> {
  const { account, binaries } = options;
  const dir = await realpath(path).catch(() => undefined);
  if (dir === undefined) {
    throw new Error(
      `the database of this data directory is gone: ${path} points to ${await readlink(path)}, ` +
        'which does not exist. Restore it, or remove the link to start with an empty database',
    );
  }
  if (account && !(await canEnter(account, dir))) {
    throw new Error(
      `Postgres has to run as ${account.name}, which cannot enter ${dir}: ` +
        'let it pass through the folders above (chmod o+x)',
    );
  }
  const version = (await readFile(join(dir, 'PG_VERSION'), 'utf8')).trim();
  if (version === binaries.majorVersion) return dir;
  throw new Error(
    `the database in ${dir} was made by Postgres ${version}, and this is ${binaries.majorVersion}: ` +
      'dump it with the old one and restore it here, or set DATABASE_URL',
  );
}

async function initialise(
  dir: string,
  password: string,
  { account, binaries }: ClusterOptions,
): Promise<void> {
  const passwordFile = `${dir}.password`;
  await mkdir(dir, { mode: 0o700 });
  await writeFileWhole(passwordFile, `${password}\n`);
  if (account) {
    await chown(dir, account.uid, account.gid);
    await chown(passwordFile, account.uid, account.gid);
  }
  const outcome = await runAs(account, binaries.initdb, [
    `--pgdata=${dir}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
    '--no-instructions',
  ]);
  await rm(passwordFile);
  if (!outcome.ok) {
    throw new Error(`the embedded Postgres could not be initialised: ${outcome.output}`);
  }
}

/**
 * The link is made before its target. So the next start can find and remove a cluster that a crash left
 * half done outside the data directory.
 */
async function linkElsewhere(link: string): Promise<void> {
  await makeStagingRoot();
  // Others may pass through but not list it: each cluster belongs to one owner.
  if (await mkdir(CLUSTERS, { recursive: true })) await chmod(CLUSTERS, 0o711);
  await symlink(join(CLUSTERS, randomUUID()), link);
}

async function removeUnfinished(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(UNFINISHED)) continue;
    const path = join(dataDir, name);
    const target = await readlink(path).catch(() => undefined);
    if (target !== undefined && dirname(target) === CLUSTERS) {
      await removeTree(`${target}.password`);
      await removeTree(target);
    }
    await removeTree(path);
  }
}

/** An orphaned initdb may still be adding files. */
function removeTree(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** @throws when the file is missing or unreadable */
export async function existingPassword(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres-password');
  const password = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (password) return password;
  throw new Error(`the password of the embedded Postgres is missing: restore ${path}`);
}

/** 384 bits in base64url, which needs no escaping in a URL. */
async function newPassword(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres-password');
  const password = randomBytes(48).toString('base64url');
  await writeFileWhole(path, `${password}\n`);
  return password;
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
