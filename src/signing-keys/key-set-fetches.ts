import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../database/database.js';
import { FetchCounts, oneFetch } from './fetch-counts.js';
import { KeySetFetchRepository } from './key-set-fetch.repository.js';

/** Of the time that a stop may take. */
const LAST_FLUSH_MS = 1000;

/**
 * Who fetches the key set, so that an operator sees whether validators have a new key. Counted in
 * memory, for the key set must not wait for the database, and written from time to time.
 */
@Injectable()
export class KeySetFetches implements OnApplicationShutdown {
  private counts = new FetchCounts();
  private flushing: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    private readonly repository: KeySetFetchRepository,
  ) {}

  /** Counts one. Its newest kid is that of the document that was served. */
  note(...fetch: Parameters<typeof oneFetch>): void {
    this.counts.add(oneFetch(...fetch));
  }

  /** Writes what was counted. What could not be written is kept; an answer that got lost counts twice. */
  async flush(): Promise<void> {
    await (this.flushing ??= this.write().finally(() => {
      this.flushing = null;
    }));
  }

  /** After the last answer. Bounded: a stop must not hang. */
  async onApplicationShutdown(): Promise<void> {
    const flushed = this.lastFlush().catch(() => undefined);
    await Promise.race([flushed, sleep(LAST_FLUSH_MS, undefined, { ref: false })]);
  }

  private async lastFlush(): Promise<void> {
    // One that is under way has begun without what was counted since.
    await this.flushing?.catch(() => undefined);
    await this.flush();
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
