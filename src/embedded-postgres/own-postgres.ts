import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
import type { Logger } from '../platform/logging.js';

/** The embedded Postgres of this process: started once, however often that has to be tried. */
export class OwnPostgres {
  private starting: Promise<EmbeddedPostgres> | null = null;

  constructor(
    private readonly dataDir: string,
    private readonly logger: Logger,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws {EmbeddedPostgresError | DataDirInUseError} and may be called again then */
  start(): Promise<EmbeddedPostgres> {
    this.starting ??= startEmbeddedPostgres({
      dataDir: this.dataDir,
      log: (line) => {
        this.logger.info(line);
      },
      signal: this.signal,
    }).catch((error: unknown) => {
      this.starting = null;
      throw error;
    });
    return this.starting;
  }

  /** To be called once `signal` has aborted: then a start that is under way ends by itself. */
  async stop(): Promise<void> {
    const server = await this.starting?.catch(() => null);
    await server?.stop();
  }
}
