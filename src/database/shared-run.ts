/**
 * Runs `work` one at a time. Callers that come while a run is under way share the next one, which
 * begins after they came: each of them is told by a run that saw all that was there when it asked.
 */
export class SharedRun {
  private last: Promise<unknown> = Promise.resolve();
  private coming: Promise<void> | null = null;

  constructor(private readonly work: () => Promise<void>) {}

  /** Rejects with what the run rejected with. */
  run(): Promise<void> {
    this.coming ??= this.afterLast();
    return this.coming;
  }

  private async afterLast(): Promise<void> {
    await this.last;
    const running = this.work();
    this.coming = null;
    this.last = running.catch(() => undefined);
    return running;
  }
}
