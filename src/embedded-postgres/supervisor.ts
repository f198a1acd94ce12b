import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../platform/free-port.js';
import {
  killLeftoverProcesses,
  PostmasterFailure,
  startPostmaster,
  stopOrphan,
  type Postmaster,
  type PostmasterOptions,
} from './postmaster.js';

export interface SupervisorEvents {
  readonly log: (line: string) => void;
  readonly onUnexpectedExit?: (how: string) => void;
}

const RETRY_MS = 250;
/** Idle children of a killed server end at once. After this many retries a busy one is killed. */
const PATIENT_RETRIES = 2;
const FIRST_START_RETRIES = 20;
const RETRIES_BETWEEN_LOG_LINES = 40;

/** A server that is restarted on the same port whenever it dies, until `stop()`. */
export class SupervisedPostmaster {
  private readonly stopping = new AbortController();
  private revival: Promise<void> | undefined;
  private stopped: Promise<void> | undefined;

  private constructor(
    private current: Postmaster,
    private readonly options: PostmasterOptions,
    private readonly events: SupervisorEvents,
  ) {
    this.watch();
  }

  static async start(
    options: PostmasterOptions,
    events: SupervisorEvents,
    signal: AbortSignal,
  ): Promise<SupervisedPostmaster> {
    await stopOrphan(options.clusterDir, events.log);
    for (let retries = 0; ; retries++) {
      try {
        const postmaster = await startPostmaster(options, await freePort(), signal);
        return new SupervisedPostmaster(postmaster, options, events);
      } catch (error) {
        const passing = error instanceof PostmasterFailure && error.passing;
        if (!passing || retries === FIRST_START_RETRIES) throw error;
      }
      if (retries >= PATIENT_RETRIES) killLeftoverProcesses(options.clusterDir);
      await sleep(RETRY_MS);
    }
  }

  get pid(): number {
    return this.current.pid;
  }

  get port(): number {
    return this.current.port;
  }

  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private async end(): Promise<void> {
    this.stopping.abort();
    await this.revival;
    await this.current.stop();
  }

  private watch(): void {
    this.current.exited
      .then(async (how) => {
        if (!this.isStopping()) await (this.revival = this.revive(how));
      })
      .catch((error: unknown) => {
        this.events.log(`the embedded Postgres cannot be started again: ${String(error)}`);
      });
  }

  private async revive(how: string): Promise<void> {
    const { port } = this.current;
    this.events.log(`the embedded Postgres was ${how}: starting it again on port ${port}`);
    this.events.onUnexpectedExit?.(how);
    for (let retries = 0; !this.isStopping(); retries++) {
      await sleep(RETRY_MS);
      try {
        if (retries > PATIENT_RETRIES) killLeftoverProcesses(this.options.clusterDir);
        await this.startAgain(port);
        return;
      } catch (error) {
        if (this.isStopping()) return;
        if (retries % RETRIES_BETWEEN_LOG_LINES === PATIENT_RETRIES) {
          this.events.log(error instanceof Error ? error.message : String(error));
        }
      }
    }
  }

  private async startAgain(port: number): Promise<void> {
    // The pid in postmaster.pid may belong to another process by now.
    await stopOrphan(this.options.clusterDir, this.events.log);
    this.current = await startPostmaster(this.options, port, this.stopping.signal);
    this.events.log(`the embedded Postgres is back (pid ${this.current.pid})`);
    this.watch();
  }
}
