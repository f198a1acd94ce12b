import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../database/database.js';
import { SharedRun } from '../database/shared-run.js';
import { waitAtMost } from '../platform/wait-at-most.js';
import { FetchCounts, oneFetch } from './fetch-counts.js';
import { KeySetFetchRepository } from './key-set-fetch.repository.js';

export const WRITE_FETCHES_EVERY_MS = 10_000;
/** How long a stop waits for the last write. */
const LAST_WRITE_MS = 1000;

/**
 * Counts who fetches the key set, so that an operator sees whether validators have a new key. The counts
 * are in memory, because the key set must not wait for the database.
 */
@Injectable()
export class KeySetFetches implements OnApplicationShutdown {
  private counts = new FetchCounts();
  private readonly writing = new SharedRun(() => this.write());

  constructor(
    private readonly database: Database,
    private readonly repository: KeySetFetchRepository,
  ) {}

  /** Counts one fetch. `newestKid` is the newest kid of the document that was served. */
  note(...fetch: Parameters<typeof oneFetch>): void {
    this.counts.add(oneFetch(...fetch));
  }

  /** Writes the counts. Counts that cannot be written are kept. If a commit is not confirmed, they count twice. */
  async flush(): Promise<void> {
    await this.writing.run();
  }

  /** Comes after the last answer. */
  async onApplicationShutdown(): Promise<void> {
    await waitAtMost(LAST_WRITE_MS, this.flush());
  }

  private async write(): Promise<void> {
    const counts = this.counts.all();
    if (counts.length === 0) return;
    this.counts = new FetchCounts();
    try {
      await this.database.transaction((manager) => this.repository.add(manager, counts));
    } catch (error) {
      for (const count of counts) this.counts.add(count);
      throw error;
    }
  }
}
