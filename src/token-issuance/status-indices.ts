import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/** The increment of the sequence `status_indices`, as in its migration. */
const BLOCK = 256;
/** The next block is fetched when so many are left, so that hardly any sync waits for it. */
const LOW = 128;

/** Hands out places in status lists. No two replicas hand out the same one. */
@Injectable()
export class StatusIndices {
  private readonly left: number[] = [];
  private fetching: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    @Inject(SERVICE_CONFIG) private readonly config: Pick<ServiceConfig, 'tokenStatusList'>,
  ) {}

  /** Null when status lists are off. */
  async take(): Promise<number | null> {
    if (!this.config.tokenStatusList) return null;
    while (this.left.length === 0) await this.fetch();
    const index = this.left.shift();
    // A failure is reported by the next fetch, when no place is left.
    if (this.left.length <= LOW) this.fetch().catch(() => undefined);
    return index ?? null;
  }

  private fetch(): Promise<void> {
    this.fetching ??= this.fetchBlock().finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  }

  private async fetchBlock(): Promise<void> {
    const sql = `SELECT nextval('status_indices')::float8 AS first`;
    const { rows } = await this.database.pool.query<{ first: number }>(sql);
    for (const { first } of rows) {
      for (let n = 0; n < BLOCK; n += 1) this.left.push(first + n);
    }
  }
}
