import { STATUS_LIST_BITS, type StatusWord } from '../domain/status-list.js';
import type { Queryable } from '../database/database.js';
import { firstLiveJti } from '../ledger/recorded-tokens.js';

/** Whether a token may have a place in this list. */
export async function hasStatusList(on: Queryable, list: number): Promise<boolean> {
  const { rows } = await on.query<{ exists: boolean }>(
    `SELECT is_called AND last_value + seqincrement > $1::bigint AS exists
     FROM status_indices, pg_sequence WHERE seqrelid = 'status_indices'::regclass`,
    [list * STATUS_LIST_BITS],
  );
  return rows[0]?.exists === true;
}

/**
 * The revoked tokens of a list, 32 in a row. The database adds them up, for reading a million rows would
 * take longer than making the list. Expired tokens do not count, so only the last days of the ledger are
 * read, by the small index of revoked tokens.
 */
export async function revokedWords(
  on: Queryable,
  list: number,
  now: Date,
): Promise<readonly StatusWord[]> {
  const first = list * STATUS_LIST_BITS;
  const { rows } = await on.query<StatusWord>(
    `SELECT ((status_index - $1::bigint) / 32)::int AS word,
            bit_or(1::bigint << ((status_index - $1::bigint) % 32)::int)::float8 AS bits
     FROM issued_tokens
     WHERE revoked_at IS NOT NULL AND status_index >= $1::bigint AND status_index < $2::bigint
       AND jti >= $3
     GROUP BY 1`,
    [first, first + STATUS_LIST_BITS, firstLiveJti(now)],
  );
  return rows;
}
