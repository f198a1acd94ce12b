import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { LedgerCheckpointView } from './ledger-checkpoint.dto.js';

const COLUMNS = `number::float8, encode(previous_hash, 'hex') AS previous_hash,
  encode(hash, 'hex') AS hash, batches, tokens::float8, signed, created_at`;
const NUMBER = /^[1-9]\d{0,14}$/;

@Injectable()
export class LedgerCheckpointRepository {
  /** @throws {IssuerError} NOT_FOUND */
  async get(queryable: Queryable, number: string): Promise<LedgerCheckpointView> {
    const sql = `SELECT ${COLUMNS} FROM ledger_checkpoints WHERE number = $1`;
    const { rows } = NUMBER.test(number)
      ? await queryable.query<LedgerCheckpointView>(sql, [number])
      : { rows: [] };
    if (rows[0]) return rows[0];
    throw new IssuerError('NOT_FOUND', 'There is no checkpoint with this number.');
  }

  /** The oldest first, after number `after`. */
  async list(queryable: Queryable, after: string, limit: number): Promise<LedgerCheckpointView[]> {
    const sql = `SELECT ${COLUMNS} FROM ledger_checkpoints WHERE number > $1 ORDER BY number LIMIT $2`;
    return (await queryable.query<LedgerCheckpointView>(sql, [after, limit])).rows;
  }
}
