import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { licenseKeyDigest } from '../src/licenses/license-key.js';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.js';
import { freePort } from '../src/platform/free-port.js';
import { bareSignatureCpuMs, processCpuMs, processTreeCpuMs } from './cpu-time.js';
import { load, type LoadResult, type Subject } from './load.js';

const LICENSES = 2000;
const HELP = `Measures token syncs end to end: the service and its Postgres as processes of their own.

  npm run bench                       10 s at 32 requests at a time
  npm run bench -- --seconds 30       longer
  npm run bench -- --concurrency 1    one request at a time

CPU times are divided by that of one bare RSA-2048 signature, sampled before and after, so that the
figures of different machines can be compared.`;

interface Cost {
  readonly nodeMs: number;
  readonly postgresMs: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '10' },
      concurrency: { type: 'string', default: '32' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'issuer-bench-'));
  await chmod(dataDir, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => undefined });
  const port = await freePort();
  const service = spawnService(port, postgres.connectionString, dataDir);
  try {
    const url = `http://127.0.0.1:${port}`;
    await untilReady(url);
    console.log(`Registering ${LICENSES} licenses with two add-on purchases each ...`);
    const subjects = await registerLicenses(postgres.connectionString);
    const limits = { concurrency: Number(values.concurrency), seconds: Number(values.seconds) };
    console.log('Warming up: every instance syncs twice ...');
    await load(url, subjects, { ...limits, seconds: 600, syncs: 2 * LICENSES });
    // As autovacuum does within a minute: plans made while the tables were empty read them whole.
    await analyze(postgres.connectionString);
    await measure(url, subjects, limits, service.pid ?? 0, postgres.pid);
  } finally {
    service.kill('SIGTERM');
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measure(
  url: string,
  subjects: readonly Subject[],
  limits: { readonly concurrency: number; readonly seconds: number },
  servicePid: number,
  postgresPid: number,
): Promise<void> {
  const signatureBefore = bareSignatureCpuMs();
  console.log(`Measuring ${limits.seconds} s at ${limits.concurrency} requests at a time ...`);
  const cpuBefore = { nodeMs: processCpuMs(servicePid), postgresMs: processTreeCpuMs(postgresPid) };
  const result = await load(url, subjects, { ...limits, syncs: Number.MAX_SAFE_INTEGER });
  const cost = {
    nodeMs: (processCpuMs(servicePid) - cpuBefore.nodeMs) / result.syncs,
    postgresMs: (processTreeCpuMs(postgresPid) - cpuBefore.postgresMs) / result.syncs,
  };
  report(result, cost, (signatureBefore + bareSignatureCpuMs()) / 2);
}

function report(result: LoadResult, { nodeMs, postgresMs }: Cost, signatureMs: number): void {
  const inSignatures = (milliseconds: number) => (milliseconds / signatureMs).toFixed(2);
  console.log(`
${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}
syncs                 ${result.syncs} in ${result.seconds.toFixed(1)} s
syncs per second      ${(result.syncs / result.seconds).toFixed(0)}
latency               p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms
RSA-2048 signature    ${signatureMs.toFixed(3)} ms CPU
CPU per sync          Node ${nodeMs.toFixed(3)} ms, Postgres ${postgresMs.toFixed(3)} ms
in signatures         Node ${inSignatures(nodeMs)}, Postgres ${inSignatures(postgresMs)}, both ${inSignatures(nodeMs + postgresMs)}`);
}

function spawnService(port: number, databaseUrl: string, dataDir: string): ChildProcess {
  return spawn(process.execPath, [join(__dirname, '..', 'src', 'main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      DATA_DIR: join(dataDir, 'service'),
      KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    },
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

async function registerLicenses(databaseUrl: string): Promise<Subject[]> {
  const subjects = Array.from({ length: LICENSES }, () => ({
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

async function analyze(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('ANALYZE');
  await client.end();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
