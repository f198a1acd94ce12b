interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchLimits {
  /** Batches under way at the same time. */
  readonly concurrent: number;
  /** Items of one batch. */
  readonly items: number;
}

/**
 * Lets callers that come at the same time share one round trip. What comes while the allowed batches
 * are under way goes into the next one: a lonely caller waits for nobody, and under load the cost
 * of a round trip is split among many.
 */
export class SharedBatches<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = [];
  private underWay = 0;

  /** @param run answers a batch with one result for each item, in their order */
  constructor(
    private readonly run: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limits: BatchLimits,
  ) {}

  /** Rejects with what `run` rejected with, for every item of its batch. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.underWay < this.limits.concurrent) void this.work();
    });
  }

  private async work(): Promise<void> {
    this.underWay += 1;
    while (this.waiting.length > 0) await this.runOne(this.waiting.splice(0, this.limits.items));
    this.underWay -= 1;
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
