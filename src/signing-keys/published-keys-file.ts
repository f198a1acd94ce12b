import { readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeySetDocument, keySetFaults } from '../domain/published-document.js';
import { writeFileWhole } from '../platform/write-file-whole.js';

const FILE_NAME = 'published-keys.json';

/** The set that was published last, with what its schedule said then. */
export interface PublishedKeys {
  readonly document: KeySetDocument;
  /** Null when a version wrote it that did not note it, or when it was not known. */
  readonly holdsSignerUntil: Date | null;
}

/** Public halves only: what a start without a database publishes. */
export class PublishedKeysFile {
  private readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, FILE_NAME);
  }

  /** Null when there is none that may be published. */
  async read(): Promise<PublishedKeys | null> {
    try {
      const found = JSON.parse(await readFile(this.path, 'utf8')) as Record<string, unknown>;
      const { holds_signer_until: until, ...document } = found;
      if (!isPublishable(document)) return null;
      return { document, holdsSignerUntil: typeof until === 'string' ? new Date(until) : null };
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

  async write({ document, holdsSignerUntil }: PublishedKeys): Promise<void> {
    const until = holdsSignerUntil && { holds_signer_until: holdsSignerUntil };
    await writeFileWhole(this.path, JSON.stringify({ ...document, ...until }));
  }
}

function isPublishable(document: unknown): document is KeySetDocument {
  return keySetFaults(document).length === 0;
}
