import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../../src/platform/free-port.js';
import { programPath } from './debian.js';

export interface DebianPostgres {
  /** For its administrator, who needs no password. */
  readonly url: string;
  /** Certificates and keys (PEM): `ca.pem`, `client.pem`, `client.key`, and `other.pem`, which signed nothing here. */
  readonly folder: string;
  /** Runs SQL as its administrator. */
  admin(database: string, ...sql: string[]): Promise<void>;
  stop(): Promise<void>;
}

/** TLS is offered to all. The role `by_certificate` needs a client certificate, the others a password. */
const HBA = `
hostssl all by_certificate 127.0.0.1/32 cert
host all by_certificate 127.0.0.1/32 reject
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
`;

/** The Postgres of Debian on a free port, in a folder of its own. It refuses root, as ours does. */
export async function startDebianPostgres(): Promise<DebianPostgres> {
  const account = ownAccount();
  const folder = mkdtempSync(join(tmpdir(), 'issuer-debian-'));
  const data = join(folder, 'data');
  chmodSync(folder, 0o755);
  if (account.uid !== undefined) chownSync(folder, account.uid, account.gid ?? account.uid);
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  execFileSync(program('initdb'), [...initdb, '--no-sync'], {
    ...account,
    cwd: '/',
    stdio: 'pipe',
  });
  makeCertificates(folder);
  for (const file of readdirSync(folder)) {
    if (!file.startsWith('server')) continue;
    chmodSync(join(folder, file), 0o600);
    if (account.uid !== undefined) chownSync(join(folder, file), account.uid, account.gid ?? 0);
  }
  writeFileSync(join(data, 'pg_hba.conf'), HBA);
  const port = await freePort();
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    ssl: 'on',
    ssl_cert_file: join(folder, 'server.pem'),
    ssl_key_file: join(folder, 'server.key'),
    ssl_ca_file: join(folder, 'ca.pem'),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(program('postgres'), ['-D', data, ...options], {
    ...account,
    cwd: '/',
    stdio: 'ignore',
  });
  const ended = new Promise((done) => child.once('close', done));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const admin = async (database: string, ...sql: string[]) => {
    const client = new Client({ connectionString: url.replace(/postgres$/, database) });
    try {
      await client.connect();
      for (const one of sql) await client.query(one);
    } finally {
      await client.end();
    }
  };
  while (
    !(await admin('postgres', 'SELECT 1').then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error("Debian's Postgres has ended at once");
    await sleep(50);
  }
  const stop = async () => {
    child.kill('SIGINT');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, folder, admin, stop };
}

function program(name: string): string {
  return programPath(name) ?? name;
}

/** The account `postgres` of Debian's package, where we are root. */
function ownAccount(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres']).toString());
  return { uid: id('-u'), gid: id('-g') };
}

/** A private authority, and the certificates that it signed, as the manual makes them. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]) => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  for (const ca of ['ca', 'other']) {
    const names = ['-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-subj', `/CN=${ca} of the test`];
    openssl('req', '-x509', ...newKey, ...names);
  }
  for (const [name, subject] of [
    ['server', '/CN=db.example.com'],
    ['client', '/CN=by_certificate'],
  ] as const) {
    const names = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', subject];
    const host = name === 'server' ? ['-addext', 'subjectAltName=IP:127.0.0.1'] : [];
    openssl('req', '-x509', '-CA', 'ca.pem', '-CAkey', 'ca.key', ...newKey, ...names, ...host);
  }
}
