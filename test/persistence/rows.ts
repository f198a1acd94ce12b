import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import { uuidV7 } from '../../src/domain/uuid-v7.js';
import { createTestDatabase } from '../support/test-database.js';

/** A migrated database without rows, and connections to it. */
export interface Tables {
  readonly pool: Pool;
  drop(): Promise<void>;
}

type Row = Readonly<Record<string, unknown>>;

export async function createTables(connections = 10): Promise<Tables> {
  const database = await createTestDatabase();
  const pool = new Pool({ connectionString: database.url, max: connections });
  pool.on('error', () => undefined);
  return {
    pool,
    drop: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

/** Inserts one row, and nothing between the values and the database. */
export async function insert(on: Pick<Pool, 'query'>, table: string, row: Row): Promise<void> {
  const places = Object.keys(row).map((_, index) => `$${index + 1}`);
  await on.query(
    `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`,
    Object.values(row),
  );
}

export function licenseRow(row: Row = {}): Row & { readonly id: string } {
  return {
    id: randomUUID(),
    plan: 'ultimate',
    kind: 'online_cloud',
    trial: false,
    seats: 5,
    starts_on: '2026-01-01',
    expires_on: '2027-01-01',
    key_digest: randomBytes(32),
    sealed_key: randomBytes(40),
    version: 1,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    ...row,
  };
}

export function purchaseRow(licenseId: string, row: Row = {}): Row & { readonly id: string } {
  return {
    id: randomUUID(),
    license_id: licenseId,
    add_on: 'duo_pro',
    quantity: 5,
    started_at: '2026-01-01',
    expires_on: '2027-01-01',
    trial: false,
    version: 1,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    ...row,
  };
}

export function namespaceRow(row: Row = {}): Row & { readonly id: string } {
  const times = { created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z' };
  return { id: randomUUID(), plan: 'ultimate', version: 1, ...times, ...row };
}

/** A purchase that a namespace owns. */
export function namespacePurchaseRow(
  namespaceId: string,
  row: Row = {},
): Row & { readonly id: string } {
  return { ...purchaseRow(''), license_id: null, namespace_id: namespaceId, ...row };
}

export function instanceRow(licenseId: string): Row & { readonly id: string } {
  const seen = { created_at: '2026-01-01T00:00:00Z', last_seen_at: '2026-01-01T00:00:00Z' };
  return { id: randomUUID(), license_id: licenseId, instance_uuid: randomUUID(), ...seen };
}

type Phase = 'next' | 'current' | 'retired';

/** A key whose private half is no more than a few bytes that stand for it. */
export function keyRow(phase: Phase, row: Row = {}): Row & { readonly kid: string } {
  const kid = randomUUID();
  return {
    kid,
    phase,
    public_jwk: { kid },
    sealed_private_key: phase === 'retired' ? null : Buffer.from('sealed'),
    published_at: '2026-01-01T00:00:00Z',
    signs_from: phase === 'next' ? null : '2026-01-02T00:00:00Z',
    retired_at: phase === 'retired' ? '2026-01-03T00:00:00Z' : null,
    ...row,
  };
}

/** What the row of an issued token has to refer to. */
export interface Issuance {
  readonly licenseId: string;
  readonly instanceId: string;
  readonly kid: string;
  readonly scopeSetDigest: Buffer;
  readonly catalogDigest: Buffer;
}

export async function insertIssuance(pool: Pool): Promise<Issuance> {
  const license = licenseRow();
  const instance = instanceRow(license.id);
  const key = keyRow('current');
  const [scopeSetDigest, catalogDigest] = [randomBytes(32), randomBytes(32)];
  await insert(pool, 'licenses', license);
  await insert(pool, 'instances', instance);
  await insert(pool, 'signing_keys', key);
  await insert(pool, 'scope_sets', { digest: scopeSetDigest, scopes: ['a'], audiences: ['b'] });
  const snapshot = { document: {}, first_in_force_at: '2026-01-01T00:00:00Z' };
  await insert(pool, 'catalog_snapshots', { digest: catalogDigest, ...snapshot });
  const licenseId = license.id;
  return { licenseId, instanceId: instance.id, kid: key.kid, scopeSetDigest, catalogDigest };
}

export function tokenRow(of: Issuance, issuedAt: Date, row: Row = {}): Row & { jti: string } {
  return {
    jti: uuidV7(issuedAt, randomBytes(10)),
    license_id: of.licenseId,
    instance_id: of.instanceId,
    kid: of.kid,
    scope_set_digest: of.scopeSetDigest,
    catalog_digest: of.catalogDigest,
    gitlab_version: '18.5.0',
    issued_at: issuedAt,
    expires_at: new Date(issuedAt.getTime() + 3_600_000),
    claims_digest: randomBytes(32),
    chain_id: randomUUID(),
    batch_number: 0,
    ...row,
  };
}

/** What `expect(...).rejects.toMatchObject` compares of a violated constraint. */
export function violating(constraint: string): { readonly constraint: string } {
  return { constraint };
}

/** Whether a statement is still waiting for another transaction after a while. */
export async function isPending(statement: Promise<unknown>): Promise<boolean> {
  return Promise.race([statement.then(() => false), sleep(150, true)]);
}
