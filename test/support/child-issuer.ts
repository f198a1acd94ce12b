import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { lockDataDir } from '../../src/embedded-postgres/data-dir-lock.js';
import { freePort } from '../../src/platform/free-port.js';

const ROOT = resolve(__dirname, '../..');
const SYNC = `query($licenseKey: String!, $gitlabVersion: String!) {
  cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) {
    serviceToken { token expiresAt } } }`;

/** The service as its operator runs it: a process, from its compiled files. */
export interface ChildIssuer {
  readonly url: string;
  readonly dataDir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  /** Resolves once it listens; rejects with its output when it ends before that. */
  readonly listening: Promise<void>;
  /** Calls the admin API below /api/v1/ with the admin's token. */
  admin(method: string, path: string, body?: object): Promise<Response>;
  /** One token sync, as an instance of its own unless `instanceId` is given. */
  sync(licenseKey: string, instanceId?: string): Promise<Response>;
  /** SIGTERM, and SIGKILL when that does not help in time; then the data directory is removed. */
  remove(): Promise<void>;
}

/** Compiles the service unless that is done. Specs that run side by side wait for one another. */
export async function buildIssuer(): Promise<void> {
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  const lock = await lockOf(join(ROOT, 'dist'));
  try {
    const script = join(ROOT, 'scripts', 'build-when-needed.mjs');
    await promisify(execFile)(process.execPath, [script]);
  } finally {
    await lock.release();
  }
}

/** Starts the service with the variables that it cannot do without, and with `environment`. */
export async function startChildIssuer(
  databaseUrl: string | null,
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildIssuer> {
  const port = environment.PORT ?? String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const dataDir = environment.DATA_DIR ?? (await newDataDir());
  const all = {
    PORT: port,
    ISSUER_URL: url,
    DATA_DIR: dataDir,
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    BOOTSTRAP_ADMIN_TOKEN: randomBytes(32).toString('base64url'),
    ...environment,
  };
  const process = runIssuer(all);
  return {
    ...process,
    url,
    dataDir,
    environment: all,
    admin: (method, path, body) => callAdmin(url, all.BOOTSTRAP_ADMIN_TOKEN, method, path, body),
    sync: (licenseKey, instanceId) => syncOnce(url, licenseKey, instanceId),
    remove: async () => {
      process.child.kill('SIGTERM');
      const late = setTimeout(() => process.child.kill('SIGKILL'), 15_000);
      await process.ended;
      clearTimeout(late);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The bare process, with exactly these variables. */
export function runIssuer(
  environment: Readonly<Record<string, string>>,
): Pick<ChildIssuer, 'child' | 'output' | 'ended' | 'listening'> {
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'src', 'main.js')], {
    cwd: tmpdir(),
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = new Promise<number | string | null>((done) => {
    child.once('close', (code, signal) => {
      done(signal ?? code);
    });
  });
  const listening = Promise.race([
    untilListening(output, child),
    ended.then((how) => {
      throw new Error(`ended with ${how ?? 'nothing'}:\n${output.stdout}${output.stderr}`);
    }),
  ]);
  listening.catch(() => undefined);
  return { child, output, ended, listening };
}

/** A data directory that an embedded server's account may pass through, also when we are root. */
export async function newDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'issuer-'));
  await chmod(dataDir, 0o711);
  return dataDir;
}

/** A license with one add-on purchase. @returns its key */
export async function createLicense(issuer: ChildIssuer, licenseKey?: string): Promise<string> {
  const term = { starts_on: '2026-01-01', expires_on: '2099-01-01' };
  const created = await issuer.admin('POST', 'licenses', {
    ...(licenseKey === undefined ? {} : { license_key: licenseKey }),
    ...{ plan: 'ultimate', kind: 'online_cloud', seats: 5, ...term },
  });
  const license = (await created.json()) as { id: string; license_key?: string };
  const purchase = { add_on: 'duo_enterprise', quantity: 5, expires_on: '2099-01-01' };
  const bought = await issuer.admin('POST', `licenses/${license.id}/add_on_purchases`, purchase);
  if (bought.status !== 201) throw new Error(`no purchase: ${await bought.text()}`);
  return licenseKey ?? license.license_key ?? '';
}

/** The token of a sync's answer, which has to be one that was granted. */
export async function tokenOf(answer: Response): Promise<string> {
  const text = await answer.text();
  const token = /"token":"([\w.-]+)"/.exec(text)?.[1];
  if (answer.status !== 200 || token === undefined) throw new Error(`no token: ${text}`);
  return token;
}

async function untilListening(output: { stdout: string }, child: ChildProcess): Promise<void> {
  while (!output.stdout.includes('"msg":"listening on ')) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    await sleep(10);
  }
}

function callAdmin(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<Response> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return fetch(`${url}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...type },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

function syncOnce(
  url: string,
  licenseKey: string,
  instanceId: string = randomUUID(),
): Promise<Response> {
  return fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-gitlab-instance-id': instanceId },
    body: JSON.stringify({ query: SYNC, variables: { licenseKey, gitlabVersion: '18.5.0' } }),
  });
}

async function lockOf(folder: string): ReturnType<typeof lockDataDir> {
  for (;;) {
    try {
      return await lockDataDir(folder);
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('in use by'))) throw error;
      await sleep(100);
    }
  }
}
