import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';
import { type ChangeCursor, InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { SweepPages } from './sweep-pages.js';

const AT_ONCE = 1000;

/**
 * Sweeps the instances of licenses that have just changed, or whose purchases have. The history,
 * where every change leaves a row, is read on from where the last look ended. A row that is committed
 * out of turn is missed; the next sweep of all instances makes up for it.
 */
@Injectable()
export class FollowChanges {
  private cursor: ChangeCursor | null = null;

  constructor(
    private readonly database: Database,
    private readonly pages: SweepPages,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly clock: Clock,
  ) {}

  /** The first look only finds out where the history ends. @returns how many instances it swept */
  async follow(): Promise<number> {
    const { manager } = this.database;
    const cursor = this.cursor ?? (await this.sweeps.lastChanges(manager));
    this.cursor = cursor;
    const { licenseIds, ...next } = await this.sweeps.changesSince(manager, cursor, AT_ONCE);
    let swept = 0;
    if (licenseIds.length > 0) {
      const now = this.clock.now();
      for await (const page of this.pages.sweep(now, licenseIds)) swept += page.length;
    }
    this.cursor = next;
    return swept;
  }
}
