import { databaseAway } from './away.js';
import type { DatabaseTrouble } from './trouble.js';

type WhyLate = () => DatabaseTrouble;

/** The rest of the promised time is for the answer itself. */
const SHARE_FOR_THE_DATABASE = 0.9;

/** How long a request may wait for the database in total, over all its statements. */
export function databaseDeadlineMs(databaseTimeoutMs: number): number {
  return Math.floor(databaseTimeoutMs * SHARE_FOR_THE_DATABASE);
}

/** The instant after which one request no longer waits for the database. */
export class Deadline {
  private readonly at: number;

  /** @param whyLate asked when the deadline has passed */
  constructor(
    private readonly milliseconds: number,
    private readonly whyLate: WhyLate = () => 'slow',
  ) {
    this.at = performance.now() + milliseconds;
  }

  get isOver(): boolean {
    return performance.now() > this.at;
  }

  /** @throws {IssuerError} UNAVAILABLE when `work` takes longer; its result is dropped then */
  async holds<Result>(work: Promise<Result>): Promise<Result> {
    return withinDeadline(work, this.milliseconds, this.whyLate);
  }
}

/** @throws {IssuerError} UNAVAILABLE when `work` takes longer; its result is dropped then */
async function withinDeadline<Result>(
  work: Promise<Result>,
  milliseconds: number,
  whyLate: WhyLate = () => 'slow',
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(databaseAway(undefined, whyLate()));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
