import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';

/** The embedded Postgres of this process. It is started once, possibly after several attempts. */
export class OwnPostgres {
  private starting: Promise<EmbeddedPostgres> | null = null;

  constructor(
    private readonly dataDir: string,
    private readonly log: (line: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** May be called again after a failure. @throws {EmbeddedPostgresError | DataDirInUseError} */
  start(): Promise<EmbeddedPostgres> {
    this.starting ??= startEmbeddedPostgres({
      dataDir: this.dataDir,
      log: this.log,
      signal: this.signal,
    }).catch((error: unknown) => {
      this.starting = null;
      throw error;
    });
    return this.starting;
  }

  /** Call it after `signal` has aborted, which ends a start that is under way. */
  async stop(): Promise<void> {
    const server = await this.starting?.catch(() => null);
    await server?.stop();
  }
}
