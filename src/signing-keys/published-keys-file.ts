import { readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeySetDocument, keySetFaults } from '../domain/published-document.js';
import { writeFileWhole } from '../platform/write-file-whole.js';

const FILE_NAME = 'published-keys.json';

/** The key set that was published last, with its schedule. */
export interface PublishedKeys {
  readonly document: KeySetDocument;
  /** Null when the schedule was not known. */
  readonly holdsSignerUntil: Date | null;
}

/** Holds public halves only. */
export class PublishedKeysFile {
  private readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, FILE_NAME);
  }

  /** Null without a valid key set. */
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

  /** Stores when the keys were read from the database, as the modification time of the file. */
  async confirm(at: Date): Promise<void> {
    await utimes(this.path, at, at);
  }

  /** When the keys were last read from the database; null when that is unknown. */
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
