import type { Pool } from 'pg';
import type { AuditedRow } from './audited-rows.js';
import type { TokenFinding } from './token-findings.js';

export interface AuditedKey {
  readonly kid: string;
  readonly public_jwk: Readonly<Record<string, string>>;
  readonly signs_from: Date | null;
  readonly retired_at: Date | null;
  readonly unpublished_at: Date | null;
  readonly revoked_at: Date | null;
}

/** For requests that were running while the keys changed, and clocks that differ a little. */
const TOLERANCE_MS = 15_000;

/** Every key that this service ever had. */
export async function readKeys(
  pool: Pick<Pool, 'query'>,
): Promise<ReadonlyMap<string, AuditedKey>> {
  const { rows } = await pool.query<AuditedKey>(
    `SELECT kid, public_jwk, signs_from, retired_at, unpublished_at, revoked_at FROM signing_keys`,
  );
  return new Map(rows.map((key) => [key.kid, key]));
}

/**
 * Whether the start of the key was dated by a clock that was ahead: it is still to come, or lies behind the end of the
 * key. Then it does not say from when the key has signed. The trigger of the ledger ensures that it did sign.
 */
function isDisproved({ signs_from, retired_at }: AuditedKey, now: Date): boolean {
  const from = signs_from?.getTime() ?? 0;
  return (
    from > now.getTime() + TOLERANCE_MS || (retired_at !== null && from > retired_at.getTime())
  );
}

/** Checks that the key of a row could sign at that time, and stayed published until its token expired. */
export function keyFindings(
  row: Pick<AuditedRow, 'kid' | 'issued_at' | 'expires_at'>,
  key: AuditedKey | undefined,
  now: Date,
): TokenFinding[] {
  if (!key) return [['UNKNOWN_KEY', `there was never a key ${row.kid}`]];
  const at = row.issued_at.getTime();
  const signsFrom = key.signs_from?.getTime() ?? Infinity;
  const signed =
    at >= signsFrom - TOLERANCE_MS || (key.signs_from !== null && isDisproved(key, now));
  const current = key.retired_at === null || at <= key.retired_at.getTime() + TOLERANCE_MS;
  if (!signed || !current) return [['KEY_NOT_CURRENT', `key ${row.kid} did not sign at that time`]];
  const { unpublished_at, revoked_at } = key;
  if (unpublished_at === null || revoked_at !== null || row.expires_at <= unpublished_at) return [];
  const until = unpublished_at.toISOString();
  return [['EXPIRES_TOO_LATE', `its key was published until ${until} only`]];
}
