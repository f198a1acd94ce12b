import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { type ChangeCursor, InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { SweepPages } from './sweep-pages.js';

const AT_ONCE = 1000;

/** How far it has looked, and which revocations of whose tokens stood then. */
interface Seen {
  readonly cursor: ChangeCursor;
  readonly revocations: ReadonlyMap<string, string>;
}

/**
 * Sweeps the instances of licenses that have just changed, whose purchases have, or whose tokens were
 * revoked or restored. The history, where every change leaves a row, is read on from where the last
 * look ended. A row that is committed out of turn is missed; the next sweep of all instances makes up
 * for it.
 */
@Injectable()
export class FollowChanges {
  private seen: Seen | null = null;

  constructor(
    private readonly database: Database,
    private readonly pages: SweepPages,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly clock: Clock,
  ) {}

  /** The first look only finds out how things stand. @returns how many instances it swept */
  async follow(): Promise<number> {
    const { manager } = this.database;
    const seen = this.seen ?? (await this.firstLook(manager));
    this.seen = seen;
    const { licenseIds, ...cursor } = await this.sweeps.changesSince(manager, seen.cursor, AT_ONCE);
    const revocations = await this.sweeps.standingRevocations(manager);
    const changed = [
      ...licenseIds,
      ...missingFrom(seen.revocations, revocations),
      ...missingFrom(revocations, seen.revocations),
    ];
    let swept = 0;
    if (changed.length > 0) {
      const now = this.clock.now();
      for await (const page of this.pages.sweep(now, changed)) swept += page.length;
    }
    this.seen = { cursor, revocations };
    return swept;
  }

  private async firstLook(manager: EntityManager): Promise<Seen> {
    const cursor = await this.sweeps.lastChanges(manager);
    return { cursor, revocations: await this.sweeps.standingRevocations(manager) };
  }
}

/** The values of `some` whose keys `others` lacks. */
function missingFrom(
  others: ReadonlyMap<string, string>,
  some: ReadonlyMap<string, string>,
): string[] {
  return [...some].flatMap(([key, value]) => (others.has(key) ? [] : [value]));
}
