import type { Pool } from 'pg';
import type { CheckpointKeys } from './checkpoint-keys.js';
import type { Report } from './finding.js';

/** The signed claims of the note of a dropped day. */
export interface DroppedDayClaims {
  readonly iss: string;
  /** When it was dropped, in seconds. */
  readonly iat: number;
  readonly day: string;
  readonly tokens: number;
  /** The checkpoints that covered its batches; null without any. */
  readonly first_checkpoint: number | null;
  readonly last_checkpoint: number | null;
}

interface Note {
  readonly day: string;
  readonly tokens: number;
  readonly first_checkpoint: number | null;
  readonly last_checkpoint: number | null;
  readonly dropped_at: Date;
  readonly signed: string;
  readonly possible: boolean;
}

/** The shortest retention is one day, counted from the end of the day at the earliest. */
const NOTES = `
  SELECT day::text, tokens::float8, first_checkpoint::float8, last_checkpoint::float8, dropped_at,
         signed, to_regclass(issued_tokens_partition(day)) IS NULL
           AND dropped_at >= (day + 2)::timestamp AT TIME ZONE 'UTC' AS possible
  FROM ledger_dropped_days`;

/**
 * Checks the notes of dropped days. A note excuses what is missing of its day, so each must be signed by
 * us, and its day must be gone and old enough.
 */
export async function auditDroppedDays(
  pool: Pick<Pool, 'query'>,
  keys: CheckpointKeys,
  report: Report,
): Promise<void> {
  const { rows } = await pool.query<Note>(`${NOTES} ORDER BY day`);
  for (const note of rows) {
    const fault = await faultOf(note, keys);
    if (fault === null) continue;
    const detail = `${note.day} is noted as dropped, ${fault}`;
    report({ finding: 'ROW_MISSING_OR_CHANGED', detail });
  }
}

/** Whether a valid note says that the day of this token was dropped. */
export async function isOfDroppedDay(
  pool: Pick<Pool, 'query'>,
  keys: CheckpointKeys,
  jti: string,
): Promise<boolean> {
  const { rows } = await pool.query<Note>(`${NOTES} WHERE day = day_of_jti($1)`, [jti]);
  return rows[0] !== undefined && (await faultOf(rows[0], keys)) === null;
}

async function faultOf(note: Note, keys: CheckpointKeys): Promise<string | null> {
  if (!note.possible) return 'and still exists or was too young for any retention';
  const claims = (await keys.openDroppedDay(note.signed)) as DroppedDayClaims | null;
  if (claims === null) return 'and the note was not signed by a key of ours';
  const same =
    claims.day === note.day &&
    claims.tokens === note.tokens &&
    claims.first_checkpoint === note.first_checkpoint &&
    claims.last_checkpoint === note.last_checkpoint &&
    claims.iat === Math.floor(note.dropped_at.getTime() / 1000);
  return same ? null : 'and the note differs from what was signed';
}
