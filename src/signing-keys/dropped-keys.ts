import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../platform/logging.js';
import { writeFileWhole } from '../platform/write-file-whole.js';

const FILE_NAME = 'dropped-keys.json';
const NOT_KEPT =
  'the kids of forgotten and revoked keys could not be kept: after a restart and a restored backup they ' +
  'might sign again. Make room in DATA_DIR, or make it writable; it is tried again every few seconds';

/** A key that was forgotten or revoked for good, and when. */
export interface DroppedKey {
  readonly kid: string;
  /** ISO 8601; null where no row says it: such a key is remembered until this process ends. */
  readonly droppedAt: string | null;
}

/** The database has keys again that were forgotten or revoked: it was set back. */
export class KeysSetBackError extends Error {
  override readonly name = 'KeysSetBackError';

  constructor(readonly kids: readonly string[]) {
    super(
      `the database was set back: it has ${kids.join(', ')} again, which was forgotten or revoked. ` +
        'Nothing is issued until each of these keys is revoked (npm run keys -- revoke)',
    );
  }
}

/**
 * Remembers outside of the database which keys may never sign again, so that a restored backup does not
 * bring them back, not even over a restart. Holds no private half.
 */
export class DroppedKeys {
  private readonly path: string;
  private readonly known = new Map<string, DroppedKey>();
  private loaded = false;
  private kept = true;
  private told = false;

  constructor(
    dataDir: string,
    private readonly logger: Logger,
  ) {
    this.path = join(dataDir, FILE_NAME);
  }

  has(kid: string): boolean {
    return this.known.has(kid);
  }

  /** Whether the file holds all of them. */
  get isKept(): boolean {
    return this.kept;
  }

  /** What the last process that had this folder knew. Twice does nothing. */
  async load(): Promise<void> {
    if (this.loaded) return;
    for (const key of await this.read()) this.known.set(key.kid, key);
    this.loaded = true;
  }

  /** Keeps them as well; a file that cannot be written is tried again the next time. */
  async add(keys: readonly DroppedKey[]): Promise<void> {
    for (const key of keys) {
      if (this.known.has(key.kid)) continue;
      this.known.set(key.kid, key);
      if (key.droppedAt !== null) this.kept = false;
    }
    if (this.kept) return;
    try {
      const text = JSON.stringify(
        [...this.known.values()].filter(({ droppedAt }) => droppedAt !== null),
      );
      await writeFileWhole(this.path, text);
      this.kept = true;
      if (this.told) this.logger.info('the kids of forgotten and revoked keys are kept again');
      this.told = false;
    } catch (error) {
      // Tried again at each reading of the keys, told once.
      if (!this.told) this.logger.error({ error }, NOT_KEPT);
      this.told = true;
    }
  }

  private async read(): Promise<readonly DroppedKey[]> {
    try {
      const found: unknown = JSON.parse(await readFile(this.path, 'utf8'));
      return Array.isArray(found) ? found.filter(isDroppedKey) : [];
    } catch (error) {
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') return [];
      this.logger.error({ error }, 'which keys were forgotten and revoked cannot be read');
      return [];
    }
  }
}

function isDroppedKey(value: unknown): value is DroppedKey {
  return (
    typeof value === 'object' && value !== null && typeof Reflect.get(value, 'kid') === 'string'
  );
}
