import '../src/platform/take-signals.js';
import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { dataSourceOptions } from '../src/data-source.js';
import { auxiliaryKeyOf, generateAuxiliaryKey } from '../src/auxiliary-keys/auxiliary-key.js';
import { Clock } from '../src/platform/clock.js';
import { startEmbeddedPostgres } from '../src/embedded-postgres/embedded-postgres.js';
import { migrate } from '../src/database/migrate.js';
import { createLogger } from '../src/platform/logging.js';
import { encodeStatusList } from '../src/token-revocation/encode-status-list.js';
import { revokedWords } from '../src/token-revocation/revoked-words.js';

const TOKENS = 1_000_000;
const SHARES = [0, 0.001, 0.01, 0.1, 1];
const RUNS = 5;

/** Builds the status list of a million tokens, with a growing share of revoked ones. */
async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'issuer-bench-'));
  await chmod(dataDir, 0o711);
  const postgres = await startEmbeddedPostgres({ dataDir, log: () => undefined });
  const url = postgres.connectionString;
  const pool = new Pool({ connectionString: url });
  try {
    const config = { databaseUrl: url, databasePoolSize: 4, databaseTimeoutMs: 60_000 };
    const logger = createLogger('silent');
    await migrate(dataSourceOptions(config), { url, setting: 'DATABASE_URL', logger });
    const now = new Clock().now();
    console.log(`Recording ${TOKENS} tokens ...`);
    await recordTokens(pool, now);
    console.log(`${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`);
    console.log('revoked      seconds (best of 5)   bytes of the JWT');
    for (const share of SHARES) await measure(pool, share, now);
  } finally {
    await pool.end();
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Skips the triggers, which are not measured here. */
async function recordTokens(pool: Pool, now: Date): Promise<void> {
  const [licenseId, instanceId] = [randomUUID(), randomUUID()];
  await pool.query('SELECT create_issued_tokens_partition($1::date)', [now]);
  await pastTriggers(
    pool,
    `INSERT INTO issued_tokens (jti, license_id, instance_id, kid, scope_set_digest, catalog_digest,
       gitlab_version, issued_at, expires_at, claims_digest, status_index, chain_id, batch_number)
     SELECT (lpad(to_hex((extract(epoch FROM $1::date) * 1000)::bigint + n), 12, '0')
             || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
       $2::uuid, $3::uuid, 'kid', $4::bytea, $4::bytea, '18.6.0', $1::timestamptz,
       $1::timestamptz + interval '3 days', $4::bytea, n, $2::uuid, 0
     FROM generate_series(0, $5::int - 1) n`,
    [now, licenseId, instanceId, randomBytes(32), TOKENS],
  );
  await pool.query('ANALYZE issued_tokens');
}

async function pastTriggers(pool: Pool, sql: string, values: readonly unknown[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    await client.query(sql, [...values]);
  } finally {
    client.release(true);
  }
}

async function measure(pool: Pool, share: number, now: Date): Promise<void> {
  // The revoked tokens are scattered. Revoked neighbours would compress better.
  await pastTriggers(
    pool,
    `UPDATE issued_tokens SET revoked_at = $1
     WHERE revoked_at IS NULL AND abs(hashint8(status_index)::bigint) <= $2::float8 * 2147483648`,
    [now, share],
  );
  await pool.query('VACUUM ANALYZE issued_tokens');
  const key = auxiliaryKeyOf('bench', (await generateAuxiliaryKey()).privateKey);
  const seconds: number[] = [];
  let bytes = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const from = performance.now();
    const lst = await encodeStatusList(await revokedWords(pool, 0, now));
    bytes = (await key.sign('statuslist+jwt', { status_list: { bits: 1, lst } })).length;
    seconds.push((performance.now() - from) / 1000);
  }
  const revoked = `${(share * 100).toFixed(1)} %`.padStart(7);
  console.log(
    `${revoked}      ${Math.min(...seconds)
      .toFixed(3)
      .padStart(12)}   ${bytes}`,
  );
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
