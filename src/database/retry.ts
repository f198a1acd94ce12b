import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, isPlanOutdated, troubleOf } from './away.js';

/**
 * After these nothing has changed, even at the commit: serialization_failure, deadlock_detected, and
 * read_only_sql_transaction (another server may take the write).
 */
const UNDONE = new Set(['40001', '40P01', '25006']);
/** Keeps two transactions that were in each other's way from meeting again. */
const jitterMs = () => 10 + Math.random() * 40;

/** How far an attempt came. */
export interface Progress {
  /** From now on, an attempt whose connection breaks may have been committed all the same. */
  isCommitting: boolean;
}

/**
 * Runs `attempt` a second time when the first attempt certainly changed nothing, and failed because of
 * others or because its connection broke. The second one gets another connection.
 * @param withinMs a failure that takes longer is final: its caller has waited long enough
 */
export async function retriedOnce<Result>(
  attempt: (progress: Progress) => Promise<Result>,
  withinMs: number,
): Promise<Result> {
  const start = performance.now();
  const progress: Progress = { isCommitting: false };
  try {
    return await attempt(progress);
  } catch (error) {
    if (!isWorthRetrying(error, progress) || performance.now() - start > withinMs) throw error;
  }
  await sleep(jitterMs());
  return attempt({ isCommitting: false });
}

function isWorthRetrying(error: unknown, { isCommitting }: Progress): boolean {
  if (hasCode(error, UNDONE) || isPlanOutdated(error)) return true;
  return !isCommitting && troubleOf(error) === 'away';
}
