import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/** The increment of the sequence `status_indices`: its migration says so, too. */
const BLOCK = 256;
/** The next block is fetched once no more than these are left, so that hardly a sync waits for it. */
const LOW = 128;

/** Hands out the places of tokens in status lists, each once among all replicas. */
@Injectable()
export class StatusIndices {
  private readonly left: number[] = [];
  private fetching: Promise<void> | null = null;

  constructor(
    private readonly database: Database,
    @Inject(SERVICE_CONFIG) private readonly config: Pick<ServiceConfig, 'tokenStatusList'>,
  ) {}

  /** Null when tokens get no status. */
  async take(): Promise<number | null> {
    if (!this.config.tokenStatusList) return null;
    while (this.left.length === 0) await this.fetch();
    const index = this.left.shift();
    // What fails here fails again, and is told, once there is nothing left.
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
