import { readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeySetDocument, keySetFaults } from '../domain/published-document.js';
import { writeFileWhole } from '../platform/write-file-whole.js';

const FILE_NAME = 'published-keys.json';

/** Public halves only: what a start without a database publishes. */
export class PublishedKeysFile {
  private readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, FILE_NAME);
  }

  /** The set that was published last; null when there is none that may be published. */
  async read(): Promise<KeySetDocument | null> {
    try {
      const document: unknown = JSON.parse(await readFile(this.path, 'utf8'));
      return isPublishable(document) ? document : null;
    } catch {
      return null;
    }
  }

  /** Notes that the kept set was read from the database then, as the time of the file's last change. */
  async confirm(at: Date): Promise<void> {
    await utimes(this.path, at, at);
  }

  /** When the kept set was read from the database last; null when nobody can tell. */
  async confirmedAt(): Promise<Date | null> {
    try {
      return (await stat(this.path)).mtime;
    } catch {
      return null;
    }
  }

  /** Replaces the file in one step, so that a crash leaves the old one or the new one. */
  async write(document: KeySetDocument): Promise<void> {
    await writeFileWhole(this.path, JSON.stringify(document));
  }
}

function isPublishable(document: unknown): document is KeySetDocument {
  return keySetFaults(document).length === 0;
}
