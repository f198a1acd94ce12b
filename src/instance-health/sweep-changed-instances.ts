import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { type ChangeCursor, InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { ServiceTokenRevocationRepository } from '../token-revocation/service-token-revocation.repository.js';
import { SweepPages } from './sweep-pages.js';

export const SWEEP_CHANGED_EVERY_MS = 5000;
const MAX_CHANGES = 1000;

/** Where the last look at the history ended, and which revocations held then. */
interface LastLook {
  readonly cursor: ChangeCursor;
  readonly licensesByRevocation: ReadonlyMap<string, string>;
}

/**
 * Sweeps the instances of licenses that have changed since the last look: the license itself, its
 * purchases, or a revocation of its tokens. Every change leaves a row in a history table, which is read on
 * from where the last look ended. Transactions may commit their rows in another order than they were
 * numbered, so a look can miss one; the next sweep of all instances makes up for it.
 */
@Injectable()
export class SweepChangedInstances {
  private lastLook: LastLook | null = null;

  constructor(
    private readonly database: Database,
    private readonly pages: SweepPages,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly clock: Clock,
  ) {}

  /** The first look sweeps nothing. @returns how many instances were swept */
  async sweep(): Promise<number> {
    const { manager } = this.database;
    const last = (this.lastLook ??= await this.firstLook(manager));
    const { licenseIds, ...cursor } = await this.sweeps.changesSince(
      manager,
      last.cursor,
      MAX_CHANGES,
    );
    const licensesByRevocation = await this.revocations.licensesByStandingRevocation(manager);
    const changed = [
      ...licenseIds,
      ...missingFrom(last.licensesByRevocation, licensesByRevocation),
      ...missingFrom(licensesByRevocation, last.licensesByRevocation),
    ];
    let swept = 0;
    if (changed.length > 0) {
      for await (const page of this.pages.sweep(this.clock.now(), changed)) swept += page.length;
    }
    this.lastLook = { cursor, licensesByRevocation };
    return swept;
  }

  private async firstLook(manager: EntityManager): Promise<LastLook> {
    const cursor = await this.sweeps.lastChanges(manager);
    const licensesByRevocation = await this.revocations.licensesByStandingRevocation(manager);
    return { cursor, licensesByRevocation };
  }
}

/** The values of `some` whose keys `others` lacks. */
function missingFrom(
  others: ReadonlyMap<string, string>,
  some: ReadonlyMap<string, string>,
): string[] {
  return [...some].flatMap(([key, value]) => (others.has(key) ? [] : [value]));
}
