import type { Pool } from 'pg';
import { batchKey } from './audited-rows.js';
import type { Report } from './finding.js';
import { millisecondsOf } from './jti-range.js';

interface Link {
  readonly chain_id: string;
  readonly number: number;
  readonly last_jti: string;
  /** Null when the batch before is missing. */
  readonly linked: boolean | null;
  readonly dropped: boolean;
  readonly has_rows: boolean;
  readonly checkpoint_number: string | null;
  readonly checkpoint_there: boolean;
}

interface LastToken {
  readonly id: string;
  readonly token_jti: string;
  readonly found: boolean;
}

interface LastSigns {
  readonly checkpoint_at: Date | null;
  /** The last `jti` of the newest batch that no checkpoint covers. */
  readonly jti: string | null;
}

/** Checkpoints are made every minute. A batch without one after this time was left out. */
const CHECKPOINT_WITHIN_MS = 900_000;
const PAGE = 2000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';
const DROPPED = (jti: string) =>
  `EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(${jti}))`;
/** The hash of a batch covers its rows, but not which row it calls its first and its last. */
const HAS_ROW = (end: 'first_jti' | 'last_jti') => `
  EXISTS (SELECT FROM issued_tokens
          WHERE jti = b.${end} AND chain_id = b.chain_id AND batch_number = b.number)`;

const LINKS = (batches: string) => `
  SELECT b.chain_id, b.number, b.last_jti, b.checkpoint_number,
         CASE WHEN b.number = 0 THEN b.previous_hash = sha256(convert_to(b.chain_id::text, 'UTF8'))
              ELSE b.previous_hash = before.hash END AS linked,
         ${DROPPED('b.first_jti')} AS dropped,
         ${HAS_ROW('first_jti')} AND ${HAS_ROW('last_jti')} AS has_rows,
         b.checkpoint_number IS NULL
           OR EXISTS (SELECT FROM ledger_checkpoints c WHERE c.number = b.checkpoint_number)
           AS checkpoint_there
  FROM (${batches}) b
  LEFT JOIN ledger_batches before
    ON before.chain_id = b.chain_id AND before.number = b.number - 1`;
const ALL_LINKS = `
  ${LINKS(`SELECT * FROM ledger_batches WHERE (chain_id, number) > ($1, $2)
           ORDER BY chain_id, number LIMIT ${PAGE}`)}
  ORDER BY b.chain_id, b.number`;
/** Without a condition: Postgres then reads the index from its end, however many batches there are. */
const NEWEST_LINKS = LINKS(`
  SELECT * FROM ledger_batches
  ORDER BY checkpoint_number DESC, chain_id DESC, number DESC LIMIT ${PAGE}`);

const LAST_SIGNS = `
  SELECT (SELECT created_at FROM ledger_checkpoints ORDER BY number DESC LIMIT 1) AS checkpoint_at,
         (SELECT last_jti FROM ledger_batches WHERE checkpoint_number IS NULL
          ORDER BY last_jti DESC LIMIT 1) AS jti`;

const LAST_TOKENS = `
  SELECT i.id, i.token_jti, ${DROPPED('i.token_jti')}
         OR EXISTS (SELECT FROM issued_tokens WHERE jti = i.token_jti) AS found
  FROM (
    SELECT id, token_jti FROM instances WHERE id > $1 AND token_jti IS NOT NULL
    ORDER BY id LIMIT ${PAGE}
  ) i
  ORDER BY i.id`;

/** Checks the links, first and last rows and checkpoints of all batches. @returns how many */
export async function auditChains(pool: Pick<Pool, 'query'>, report: Report): Promise<number> {
  const asOf = await lastSignOfLife(pool);
  let audited = 0;
  let after: [string, number] = [BEFORE_ALL, -1];
  for (;;) {
    const { rows } = await pool.query<Link>(ALL_LINKS, after);
    for (const link of rows) checkLink(link, asOf, report);
    audited += rows.length;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return audited;
    after = [last.chain_id, last.number];
  }
}

/** Checks the newest batches in the same way: those without a checkpoint, and those of the last ones. */
export async function auditNewestLinks(
  pool: Pick<Pool, 'query'>,
  now: Date,
  report: Report,
): Promise<void> {
  const { rows } = await pool.query<Link>(NEWEST_LINKS);
  for (const link of rows) checkLink(link, now.getTime(), report);
}

/**
 * When the service last wrote to the ledger, in milliseconds. A service that is stopped makes no
 * checkpoints, so the age of a batch counts up to this instant.
 */
async function lastSignOfLife(pool: Pick<Pool, 'query'>): Promise<number> {
  const { rows } = await pool.query<LastSigns>(LAST_SIGNS);
  const { checkpoint_at = null, jti = null } = rows[0] ?? {};
  return Math.max(checkpoint_at?.getTime() ?? 0, jti === null ? 0 : millisecondsOf(jti));
}

/** Checks that the last token of each instance has a row: the end of a chain may have been cut off. */
export async function auditLastTokens(pool: Pick<Pool, 'query'>, report: Report): Promise<void> {
  let after = BEFORE_ALL;
  for (;;) {
    const { rows } = await pool.query<LastToken>(LAST_TOKENS, [after]);
    for (const { id, token_jti, found } of rows) {
      if (found) continue;
      const detail = `the last token of instance ${id} has no row`;
      report({ finding: 'ROW_MISSING_OR_CHANGED', jti: token_jti, detail });
    }
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = last.id;
  }
}

function checkLink(link: Link, asOf: number, report: Report): void {
  const batch = batchKey(link.chain_id, link.number);
  // The first batch that is left of a chain lost the batch before it when old days were dropped.
  const beginsAfterDrop = link.linked === null && link.dropped;
  if (link.linked !== true && !beginsAfterDrop) {
    const detail = link.linked === null ? 'the batch before is missing' : 'it names another hash';
    report({ finding: 'CHAIN_BROKEN', batch, detail });
  }
  if (!link.has_rows && !link.dropped) {
    report({
      finding: 'ROW_MISSING_OR_CHANGED',
      batch,
      detail: 'its first or last row is missing',
    });
  }
  if (!link.checkpoint_there) {
    const detail = `checkpoint ${String(link.checkpoint_number)}, which covered it, is missing`;
    report({ finding: 'CHECKPOINT_BROKEN', batch, detail });
  }
  const age = asOf - millisecondsOf(link.last_jti);
  if (link.checkpoint_number === null && age > CHECKPOINT_WITHIN_MS) {
    report({ finding: 'NO_CHECKPOINT', batch, detail: 'no checkpoint covers it' });
  }
}
