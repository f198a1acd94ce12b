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
 * Postgres refuses to run as root. So root starts it as the owner of an existing cluster, else as
 * `postgres`, else as `nobody`. Undefined: Postgres runs as the user of this process.
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
 * Options of every child process. It gets none of our environment, which may hold secrets, and whose PG*
 * variables would change what Postgres does. Every account may enter its working directory.
 */
export function childOptions(account: ServerAccount | undefined) {
  return {
    cwd: '/',
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/bin:/usr/bin:/bin' },
    ...(account && { uid: account.uid, gid: account.gid }),
  };
}

/** Runs a command to its end as that account. Never throws. */
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

/** It tries, because permissions, access lists and mounts all matter. */
export async function canEnter(account: ServerAccount, dir: string): Promise<boolean> {
  return (await runAs(account, '/bin/sh', ['-c', 'test -x "$1"', 'sh', dir])).ok;
}
