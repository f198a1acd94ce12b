/**
 * Runs `work` on demand and never twice at once. Whatever is demanded during a run is one more run
 * after it: a run may have read before the change that it is demanded for.
 */
export class CoalescedRuns {
  private running: Promise<void> | null = null;
  private demanded = false;

  /** @param work must not reject */
  constructor(private readonly work: () => Promise<void>) {}

  demand(): void {
    this.demanded = true;
    // Not in this turn, so that `work` may demand another run.
    this.running ??= Promise.resolve().then(() => this.run());
  }

  /** Resolves once nothing is under way or demanded. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.demanded) {
      this.demanded = false;
      await this.work();
    }
    this.running = null;
  }
}
