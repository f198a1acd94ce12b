import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The account that Postgres runs under when this process is root. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

/**
 * Postgres refuses to run as root. Root starts it as the owner of the cluster that is already there,
 * else as `postgres`, else as `nobody`. Undefined means: as ourselves.
 */
export async function serverAccount(dataDir: string): Promise<ServerAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const accounts = parsePasswd(passwd);
  const owner = await stat(join(dataDir, 'postgres')).catch(() => undefined);
  if (owner && owner.uid !== 0) {
    const name = accounts.find(({ uid }) => uid === owner.uid)?.name ?? `uid ${owner.uid}`;
    return { name, uid: owner.uid, gid: owner.gid };
  }
  const account =
    accounts.find(({ name }) => name === 'postgres') ??
    accounts.find(({ name }) => name === 'nobody');
  if (account && account.uid !== 0) return account;
  throw new Error(
    'Postgres refuses to run as root, and /etc/passwd has neither a user postgres nor a user ' +
      'nobody: start the service as an ordinary user, or set DATABASE_URL',
  );
}

function parsePasswd(passwd: string): ServerAccount[] {
  return passwd.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

/**
 * How every child is spawned: nothing of our environment (it may hold secrets, and PG* variables
 * would change what Postgres does), and a working directory that any account may enter.
 */
export function childOptions(account: ServerAccount | undefined) {
  return {
    cwd: '/',
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/bin:/usr/bin:/bin' },
    ...(account && { uid: account.uid, gid: account.gid }),
  };
}

/** Runs a command to its end as that account; never throws. */
export function runAs(
  account: ServerAccount | undefined,
  command: string,
  args: readonly string[],
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, args, childOptions(account), (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim();
      resolve({ ok: error === null, output: output || (error?.message ?? '') });
    });
  });
}

/** Asks by trying: permissions, access lists and mounts all have a say. */
export async function canEnter(account: ServerAccount, dir: string): Promise<boolean> {
  return (await runAs(account, '/bin/sh', ['-c', 'test -x "$1"', 'sh', dir])).ok;
}
