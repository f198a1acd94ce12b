import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { writeFileWhole } from '../platform/write-file-whole.js';
import type { CheckpointClaims } from './checkpoint-claims.js';
import { CheckpointKeys } from './checkpoint-keys.js';
import type { Report } from './finding.js';

const FILE_NAME = 'last-checkpoint.jws';
const LAST = 'SELECT signed FROM ledger_checkpoints ORDER BY number DESC LIMIT 1';

/** The last checkpoint that this replica saw. The audit reports it when it is gone from the database. */
@Injectable()
export class SeenCheckpoint {
  private signed: string | null = null;

  constructor(
    private readonly database: Database,
    private readonly keys: CheckpointKeys,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /** @returns whether it is still in the database; also true when none was seen */
  async audit(report: Report): Promise<boolean> {
    this.signed ??= await this.read();
    if (this.signed === null) return true;
    return compareCheckpoint(this.database.pool, this.keys, this.signed, report);
  }

  /** Remembers the newest checkpoint, in memory and in `DATA_DIR` for the next process. */
  async remember(): Promise<void> {
    const { rows } = await this.database.pool.query<{ signed: string }>(LAST);
    const signed = rows[0]?.signed ?? null;
    if (signed === null || signed === this.signed) return;
    if ((await this.keys.open(signed)) === null) return;
    this.signed = signed;
    try {
      await writeFileWhole(join(this.config.dataDir, FILE_NAME), `${signed}\n`);
    } catch (error) {
      this.logger.warn({ error }, 'the last checkpoint could not be kept');
    }
  }

  private async read(): Promise<string | null> {
    try {
      return (await readFile(join(this.config.dataDir, FILE_NAME), 'utf8')).trim();
    } catch {
      return null;
    }
  }
}

/** Compares a copy of a checkpoint (a compact JWS) with the row of its number. @returns whether they agree */
export async function compareCheckpoint(
  pool: Pick<Pool, 'query'>,
  keys: CheckpointKeys,
  signed: string,
  report: Report,
): Promise<boolean> {
  const claims = (await keys.open(signed)) as CheckpointClaims | null;
  if (claims === null) {
    const detail = 'the copy of a checkpoint was not signed by a key of ours';
    report({ finding: 'CHECKPOINT_BROKEN', detail });
    return false;
  }
  const { number } = claims;
  const sql = 'SELECT signed FROM ledger_checkpoints WHERE number = $1';
  const [row] = (await pool.query<{ signed: string }>(sql, [number])).rows;
  if (row?.signed === signed) return true;
  const detail = row
    ? 'it is not the one that was seen or kept before'
    : 'it was seen or kept before, and is gone';
  report({ finding: 'CHECKPOINT_BROKEN', checkpoint: number, detail });
  return false;
}
