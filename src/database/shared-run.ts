/**
 * Runs `work` one run at a time. Callers that come during a run share the next one. So the run that
 * answers a caller always begins after the call, and sees everything that was there before it.
 */
export class SharedRun {
  private last: Promise<unknown> = Promise.resolve();
  private coming: Promise<void> | null = null;

  constructor(private readonly work: () => Promise<void>) {}

  /** Rejects with the error of the run. */
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
