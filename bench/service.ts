import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { licenseKeyDigest } from '../src/licenses/license-key.js';
import { startEmbeddedPostgres } from '../src/embedded-postgres/embedded-postgres.js';
import { freePort } from '../src/platform/free-port.js';
import type { Subject } from './load.js';

/** The service and its Postgres, as processes of their own. */
export interface MeasuredService {
  readonly url: string;
  readonly port: number;
  readonly adminToken: string;
  readonly databaseUrl: string;
  readonly pid: number;
  readonly postgresPid: number;
  stop(): Promise<void>;
}

/** @param openFiles the most files that the service may open; the machine's own limit unless given */
export async function startMeasuredService(openFiles?: number): Promise<MeasuredService> {
  const dataDir = await mkdtemp(join(tmpdir(), 'issuer-bench-'));
  await chmod(dataDir, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => undefined });
  const port = await freePort();
  const adminToken = randomBytes(32).toString('base64url');
  const environment = {
    PORT: String(port),
    DATABASE_URL: postgres.connectionString,
    DATA_DIR: join(dataDir, 'service'),
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    BOOTSTRAP_ADMIN_TOKEN: adminToken,
  };
  const service = spawnService(environment, openFiles);
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    service.kill('SIGTERM');
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await untilReady(url);
  } catch (error) {
    await stop();
    throw error;
  }
  const pids = { pid: service.pid ?? 0, postgresPid: postgres.pid };
  return { url, port, adminToken, databaseUrl: postgres.connectionString, ...pids, stop };
}

function spawnService(environment: Record<string, string>, openFiles?: number): ChildProcess {
  const main = join(__dirname, '..', 'src', 'main.js');
  const limit = openFiles === undefined ? '' : `ulimit -n ${openFiles} && `;
  return spawn('/bin/sh', ['-c', `${limit}exec "$0" "$1"`, process.execPath, main], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: environment,
  });
}

async function untilReady(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const response = await fetch(`${url}/-/readiness`).catch(() => null);
    if (response?.status === 200) return;
    await sleep(50);
  }
  throw new Error('the service did not become ready');
}

/** Writes licenses with two add-on purchases each, directly into the database. */
export async function registerLicenses(databaseUrl: string, count: number): Promise<Subject[]> {
  const subjects = Array.from({ length: count }, () => ({
    licenseKey: `bench_${randomBytes(32).toString('base64url')}`,
    instanceId: randomUUID(),
  }));
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const ids = subjects.map(() => randomUUID());
  await client.query(
    `INSERT INTO licenses (id, plan, kind, trial, seats, starts_on, expires_on, key_digest, sealed_key,
       version, created_at, updated_at)
     SELECT id, 'ultimate', 'online_cloud', false, 10, current_date - 30, current_date + 300, digest,
       '\\x00', 1, now(), now() FROM unnest($1::uuid[], $2::bytea[]) AS l (id, digest)`,
    [ids, subjects.map(({ licenseKey }) => licenseKeyDigest(licenseKey))],
  );
  for (const addOn of ['duo_pro', 'duo_enterprise']) {
    await client.query(
      `INSERT INTO add_on_purchases (id, license_id, add_on, quantity, started_at, expires_on, trial,
         version, created_at, updated_at)
       SELECT gen_random_uuid(), id, $2, 10, current_date - 30, current_date + 300, false, 1, now(), now()
       FROM unnest($1::uuid[]) AS l (id)`,
      [ids, addOn],
    );
  }
  await client.end();
  await analyze(databaseUrl);
  return subjects;
}

/** Does what autovacuum does within a minute. Plans made for empty tables would read whole tables. */
export async function analyze(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('ANALYZE');
  await client.end();
}
