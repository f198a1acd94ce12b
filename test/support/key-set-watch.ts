import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ChildIssuer } from './child-issuer.js';

const NANOSECONDS_PER_MS = 1e6;

interface Watched {
  readonly longestMs: number;
  readonly refused: number;
}

/** Asks a service for its key set all the time, from a thread of its own. */
export class KeySetWatch {
  private readonly worker: Worker;

  constructor(private readonly issuer: ChildIssuer) {
    const file = join(__dirname, 'watch-key-set.mjs');
    this.worker = new Worker(file, { workerData: issuer.url });
  }

  /**
   * For how long `act` kept the key set from being answered. The wait on a busy machine says little
   * about the service, and neither does the processor time of what it does in many short turns: each
   * is at least the time for which its event loop was held, so the lower one counts.
   */
  async heldMs(act: () => Promise<unknown>): Promise<number> {
    await this.read();
    const before = this.processorMs();
    await act();
    const { longestMs, refused } = await this.read();
    const used = this.processorMs() - before || Infinity;
    if (refused > 0) throw new Error(`the key set was refused ${refused} times`);
    return Math.min(longestMs, used);
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }

  private read(): Promise<Watched> {
    return new Promise((done) => {
      this.worker.once('message', done);
      this.worker.postMessage('read');
    });
  }

  /** What the thread of the service's event loop has used; NaN where the kernel does not count it. */
  private processorMs(): number {
    const pid = this.issuer.child.pid ?? 0;
    try {
      const counted = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8');
      return Number(counted.split(' ')[0]) / NANOSECONDS_PER_MS;
    } catch {
      return Number.NaN;
    }
  }
}
