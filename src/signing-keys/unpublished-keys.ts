import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../platform/logging.js';
import { writeFileWhole } from '../platform/write-file-whole.js';

const FILE_NAME = 'unpublished-keys.json';
const NOT_WRITTEN =
  'the kids of unpublished keys cannot be written to DATA_DIR: after a restart, a restored backup could ' +
  'make these keys sign again. Free space in DATA_DIR, or make it writable. The service retries every ' +
  'ten seconds';

/** A key that must never sign again. */
export interface UnpublishedKey {
  readonly kid: string;
  /** ISO 8601. Null when no row has the instant: this process remembers such a key until it ends. */
  readonly unpublishedAt: string | null;
}

/** A key as the file holds it. */
interface KeyLine {
  readonly kid: string;
  readonly unpublished_at: string;
}

/** The database was restored to an older state: keys that were unpublished are in use again. */
export class KeysSetBackError extends Error {
  override readonly name = 'KeysSetBackError';

  constructor(readonly kids: readonly string[]) {
    super(
      `the database was set back: it has ${kids.join(', ')} again, which was unpublished before. ` +
        'Nothing is issued until each of these keys is revoked (npm run keys -- revoke)',
    );
  }
}

/**
 * Remembers in DATA_DIR which keys must never sign again. A restored backup of the database cannot bring
 * them back, not even after a restart. The file holds no private halves.
 */
export class UnpublishedKeys {
  private readonly path: string;
  private readonly keys = new Map<string, UnpublishedKey>();
  private loaded = false;
  private isWritten = true;
  private failureLogged = false;

  constructor(
    dataDir: string,
    private readonly logger: Logger,
  ) {
    this.path = join(dataDir, FILE_NAME);
  }

  has(kid: string): boolean {
    return this.keys.has(kid);
  }

  /** Whether the file holds all of them. */
  get isKept(): boolean {
    return this.isWritten;
  }

  /** Reads the file once. */
  async load(): Promise<void> {
    if (this.loaded) return;
    for (const key of await this.read()) this.keys.set(key.kid, key);
    this.loaded = true;
  }

  /** Adds keys. A failed write is repeated with the next call. */
  async add(keys: readonly UnpublishedKey[]): Promise<void> {
    for (const key of keys) {
      if (this.keys.has(key.kid)) continue;
      this.keys.set(key.kid, key);
      if (key.unpublishedAt !== null) this.isWritten = false;
    }
    if (this.isWritten) return;
    try {
      await writeFileWhole(this.path, JSON.stringify(this.lines()));
      this.isWritten = true;
      if (this.failureLogged) this.logger.info('the kids of unpublished keys are written again');
      this.failureLogged = false;
    } catch (error) {
      if (!this.failureLogged) this.logger.error({ error }, NOT_WRITTEN);
      this.failureLogged = true;
    }
  }

  private lines(): KeyLine[] {
    return [...this.keys.values()].flatMap(({ kid, unpublishedAt }) =>
      unpublishedAt === null ? [] : [{ kid, unpublished_at: unpublishedAt }],
    );
  }

  private async read(): Promise<readonly UnpublishedKey[]> {
    try {
      const found: unknown = JSON.parse(await readFile(this.path, 'utf8'));
      const lines = Array.isArray(found) ? found.filter(isKeyLine) : [];
      return lines.map((line) => ({ kid: line.kid, unpublishedAt: line.unpublished_at }));
    } catch (error) {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') return [];
      this.logger.error({ error }, 'the kids of unpublished keys cannot be read');
      return [];
    }
  }
}

function isKeyLine(value: unknown): value is KeyLine {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'kid') === 'string' &&
    typeof Reflect.get(value, 'unpublished_at') === 'string'
  );
}
