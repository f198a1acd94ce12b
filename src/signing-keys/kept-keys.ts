import type { Logger } from '../platform/logging.js';
import { type PublishedKeys, PublishedKeysFile } from './published-keys-file.js';

const NOT_KEPT =
  'the published keys could not be kept in DATA_DIR: a start without the database would publish old ' +
  'keys. Free space in DATA_DIR, or make it writable. The service retries every ten seconds';

/** The published keys in DATA_DIR, for a start without the database. */
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

  /** False while the file is outdated because it could not be written. */
  get isCurrent(): boolean {
    return !this.failed;
  }

  /** The keys in the file, and when they were read from the database. Null without a valid file. */
  async read(): Promise<{ published: PublishedKeys; readAt: Date | null } | null> {
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

  /** Repeats a failed write, even without the database: a restart may come before the database is back. */
  async retry(): Promise<void> {
    if (this.failed && this.latest) await this.keep(this.latest.published, this.latest.readAt);
  }
}
