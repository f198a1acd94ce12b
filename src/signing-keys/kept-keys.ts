import type { Logger } from '../platform/logging.js';
import { type PublishedKeys, PublishedKeysFile } from './published-keys-file.js';

const NOT_KEPT =
  'the published keys could not be kept: a start without the database would publish old ones. ' +
  'Make room in DATA_DIR, or make it writable; it is tried again every few seconds';

/** The published keys as a start without the database finds them in DATA_DIR. */
export class KeptKeys {
  private readonly file: PublishedKeysFile;
  private latest: { readonly published: PublishedKeys; readonly readAt: Date } | null = null;
  /** What the file holds, as JSON. */
  private written: string | null = null;
  private failed = false;

  constructor(
    dataDir: string,
    private readonly logger: Logger,
  ) {
    this.file = new PublishedKeysFile(dataDir);
  }

  /** False while the file holds older keys, because it could not be written. */
  get isCurrent(): boolean {
    return !this.failed;
  }

  /** What the last run kept, and when that was read from the database. Null when it cannot be published. */
  async ofLastRun(): Promise<{ published: PublishedKeys; readAt: Date | null } | null> {
    const published = await this.file.read();
    this.written ??= published && JSON.stringify(published);
    return published && { published, readAt: await this.file.confirmedAt() };
  }

  async keep(published: PublishedKeys, readAt: Date): Promise<void> {
    this.latest = { published, readAt };
    const text = JSON.stringify(published);
    try {
      if (text !== this.written) await this.file.write(published);
      this.written = text;
      await this.file.confirm(readAt);
      if (this.failed) this.logger.info('the published keys are kept again');
      this.failed = false;
    } catch (error) {
      this.written = null;
      if (!this.failed) this.logger.error({ error }, NOT_KEPT);
      this.failed = true;
    }
  }

  /** Tries again what failed, also while the database is away: a restart may come before it is back. */
  async tryAgain(): Promise<void> {
    if (this.failed && this.latest) await this.keep(this.latest.published, this.latest.readAt);
  }
}
