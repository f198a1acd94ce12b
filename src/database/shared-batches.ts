import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Deadline } from './deadline.js';
import { databaseAway } from './away.js';

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly deadline: Deadline;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchLimits {
  /** How many batches may run at the same time. */
  readonly concurrent: number;
  /** How many items a batch may have. */
  readonly items: number;
}

/**
 * Lets callers that come at the same time share one round trip. Items that come in one turn of the event
 * loop go together, and items that come while the allowed batches are running go into the next one. A
 * single caller waits for nobody, and under load many callers share the cost of a round trip.
 */
export class SharedBatches<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = [];
  private underWay = 0;

  /** @param run answers a batch with one result for each item, in their order */
  constructor(
    private readonly run: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limits: BatchLimits,
  ) {}

  /**
   * Rejects with the error of `run`, for every item of the batch. Rejects with UNAVAILABLE when the
   * deadline is over before a batch takes the item: after an outage nobody waits for it any more.
   */
  add(item: Item, deadline: Deadline): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, deadline, resolve, reject });
      if (this.underWay < this.limits.concurrent) this.begin();
    });
  }

  /** Starts after this turn of the event loop, so that items of the same turn go together. */
  private begin(): void {
    this.underWay += 1;
    nextTurn()
      .then(() => this.work())
      .catch((error: unknown) => {
        for (const { reject } of this.waiting.splice(0)) reject(error);
      });
  }

  private async work(): Promise<void> {
    try {
      for (let batch = this.take(); batch.length > 0; batch = this.take()) await this.runOne(batch);
    } finally {
      this.underWay -= 1;
    }
  }

  private take(): Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    while (this.waiting.length > 0 && batch.length < this.limits.items) {
      for (const waiting of this.waiting.splice(0, this.limits.items - batch.length)) {
        if (waiting.deadline.isOver) waiting.reject(databaseAway(undefined, 'slow'));
        else batch.push(waiting);
      }
    }
    return batch;
  }

  private async runOne(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.run(batch.map(({ item }) => item));
      if (results.length !== batch.length) throw new Error('a batch needs a result for each item');
      for (const [index, result] of results.entries()) batch[index]?.resolve(result);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
