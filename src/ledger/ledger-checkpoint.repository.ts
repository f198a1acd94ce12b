import { Injectable } from '@nestjs/common';
import type { Queryable } from '../database/database.js';
import { type Page, pageOf, type PageRequest, rowsToFetch } from '../database/page.js';
import { IssuerError } from '../platform/issuer-error.js';

/** A row of `ledger_checkpoints`; hashes are hexadecimal. */
export interface LedgerCheckpoint {
  /** The number as text: the cursor of a page. */
  readonly id: string;
  readonly number: number;
  readonly previousHash: string | null;
  readonly hash: string;
  readonly batches: number;
  readonly tokens: number;
  readonly signed: string;
  readonly createdAt: Date;
}

const COLUMNS = `number::text AS id, number::float8, encode(previous_hash, 'hex') AS "previousHash",
  encode(hash, 'hex') AS hash, batches, tokens::float8, signed, created_at AS "createdAt"`;
const NUMBER = /^[1-9]\d{0,14}$/;

@Injectable()
export class LedgerCheckpointRepository {
  /** @throws {IssuerError} NOT_FOUND */
  async get(queryable: Queryable, number: string): Promise<LedgerCheckpoint> {
    const sql = `SELECT ${COLUMNS} FROM ledger_checkpoints WHERE number = $1`;
    const { rows } = NUMBER.test(number)
      ? await queryable.query<LedgerCheckpoint>(sql, [number])
      : { rows: [] };
    if (rows[0]) return rows[0];
    throw new IssuerError('NOT_FOUND', 'There is no checkpoint with this number.');
  }

  /** The oldest first. */
  async list(queryable: Queryable, page: PageRequest): Promise<Page<LedgerCheckpoint>> {
    const sql = `SELECT ${COLUMNS} FROM ledger_checkpoints WHERE number > $1 ORDER BY number LIMIT $2`;
    const values = [page.after ?? '0', rowsToFetch(page)];
    return pageOf((await queryable.query<LedgerCheckpoint>(sql, values)).rows, page);
  }
}
