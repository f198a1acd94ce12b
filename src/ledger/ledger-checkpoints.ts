import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import type { CheckpointClaims } from './checkpoint-claims.js';
import { SignForAudit } from './sign-for-audit.js';

interface Uncovered {
  readonly chain_id: string;
  readonly number: number;
  readonly hash: Buffer;
  readonly tokens: number;
}

export const WRITE_CHECKPOINT_EVERY_MS = 60_000;
/** How long a stop waits for a last checkpoint. Otherwise the next process writes it. */
export const LAST_CHECKPOINT_MS = 1500;

/** The most that one transaction covers. The next checkpoint takes the rest. */
const MAX_BATCHES = 10_000;

const COVER = `
  UPDATE ledger_batches b SET checkpoint_number = $1
  FROM unnest($2::uuid[], $3::integer[]) AS covered (chain_id, number)
  WHERE b.chain_id = covered.chain_id AND b.number = covered.number`;

/** Ties the chains of all processes together by signed statements about their batches. */
@Injectable()
export class LedgerCheckpoints {
  constructor(
    private readonly database: Database,
    private readonly sign: SignForAudit,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /**
   * Covers the batches that no checkpoint covers yet. Any number of replicas may call this at once: one
   * of them does the work.
   * @returns how many checkpoints were written
   */
  async write(): Promise<number> {
    let made = 0;
    for (;;) {
      const covered = await this.database.transaction((manager) => this.writeOne(manager));
      if (covered > 0) made += 1;
      if (covered < MAX_BATCHES) return made;
    }
  }

  /** @returns the number of batches that it covers */
  private async writeOne(manager: EntityManager): Promise<number> {
    const [lock] = await manager.query<{ locked: boolean }[]>(
      `SELECT pg_try_advisory_xact_lock(hashtext('ledger.checkpoint')) AS locked`,
    );
    if (!lock?.locked) return 0;
    const batches = await manager.query<Uncovered[]>(
      `SELECT chain_id, number, hash, tokens FROM ledger_batches
       WHERE checkpoint_number IS NULL ORDER BY chain_id, number LIMIT ${MAX_BATCHES}`,
    );
    if (batches.length === 0) return 0;
    const [last] = await manager.query<{ number: string; hash: Buffer }[]>(
      'SELECT number, hash FROM ledger_checkpoints ORDER BY number DESC LIMIT 1',
    );
    const now = this.clock.now();
    const claims: CheckpointClaims = {
      iss: this.config.issuerUrl,
      iat: Math.floor(now.getTime() / 1000),
      number: Number(last?.number ?? 0) + 1,
      previous: last?.hash.toString('hex') ?? null,
      batches: batches.length,
      tokens: batches.reduce((sum, { tokens }) => sum + tokens, 0),
      batches_hash: batchesHash(batches),
    };
    await this.insert(manager, claims, last?.hash ?? null, now);
    await manager.query(COVER, [
      claims.number,
      batches.map(({ chain_id }) => chain_id),
      batches.map(({ number }) => number),
    ]);
    return batches.length;
  }

  private async insert(
    manager: EntityManager,
    claims: CheckpointClaims,
    previousHash: Buffer | null,
    now: Date,
  ): Promise<void> {
    const signed = await this.sign.checkpoint(claims);
    const hash = createHash('sha256').update(signed).digest();
    await manager.query(
      `INSERT INTO ledger_checkpoints
         (number, previous_hash, hash, batches, tokens, signed, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [claims.number, previousHash, hash, claims.batches, claims.tokens, signed, now],
    );
  }
}

/** SHA-256 over a line of JSON for each batch in the order of chain and number. */
function batchesHash(batches: readonly Uncovered[]): string {
  const hash = createHash('sha256');
  for (const { chain_id, number, hash: own } of batches) {
    hash.update(`${JSON.stringify([chain_id, number, own.toString('hex')])}\n`);
  }
  return hash.digest('hex');
}
