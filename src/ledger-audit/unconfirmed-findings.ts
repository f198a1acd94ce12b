import type { Pool } from 'pg';
import type { CheckpointKeys } from './checkpoint-keys.js';
import { isOfDroppedDay } from './dropped-days.js';
import type { Finding, Report } from './finding.js';

interface Unconfirmed {
  readonly finding: Finding;
  /** The `jti` of the first row that it is about, and of the last. */
  readonly first: string;
  readonly last: string;
}

/** Answers with places in the list. Only the days that hold the rows are opened. */
const STILL_THERE = `
  SELECT s.place::int FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS s (first, last, place)
  WHERE EXISTS (SELECT FROM issued_tokens WHERE jti >= s.first AND jti <= s.last)`;

/**
 * Findings that may be wrong, because retention may have dropped the day while it was read. A finding is
 * reported unless all its rows are gone and a valid note says that their day was dropped.
 */
export class UnconfirmedFindings {
  private open: Unconfirmed[] = [];

  constructor(
    private readonly pool: Pick<Pool, 'query'>,
    private readonly keys: CheckpointKeys,
    private readonly report: Report,
  ) {}

  add(finding: Finding, first: string, last = first): void {
    this.open.push({ finding, first, last });
  }

  /** Reports the findings whose rows are still there, or were not dropped. */
  async confirm(): Promise<void> {
    const unconfirmed = this.open;
    if (unconfirmed.length === 0) return;
    this.open = [];
    const { rows } = await this.pool.query<{ place: number }>(STILL_THERE, [
      unconfirmed.map(({ first }) => first),
      unconfirmed.map(({ last }) => last),
    ]);
    const there = new Set(rows.map(({ place }) => place));
    for (const [index, { finding, first }] of unconfirmed.entries()) {
      const gone = !there.has(index + 1);
      if (gone && (await isOfDroppedDay(this.pool, this.keys, first))) continue;
      this.report(finding);
    }
  }
}
