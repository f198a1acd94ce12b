import { performance } from 'node:perf_hooks';
import { Injectable } from '@nestjs/common';
import { dayOf } from '../domain/calendar-day.js';
import { type TimeLeft, timeLeft, TIMES_LEFT } from '../domain/time-left.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { newId } from '../platform/new-id.js';
import { type SweepResult, InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { type SweptInstance, SweepPages } from './sweep-pages.js';

/** How often a replica checks whether a sweep is due. */
export const CHECK_SWEEP_EVERY_MS = 10_000;
const EVERY_MS = 300_000;

/** Sweeps all instances; one replica at a time does it for all of them. */
@Injectable()
export class SweepInstances {
  private readonly runsSince: Date;

  constructor(
    private readonly database: Database,
    private readonly pages: SweepPages,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly clock: Clock,
  ) {
    this.runsSince = clock.now();
  }

  /** @returns whether this replica swept */
  async sweepIfDue(): Promise<boolean> {
    const last = await this.sweeps.last(this.database.manager);
    return this.isDue(last) && (await this.sweepAfter(last));
  }

  /** Sweeps unless another replica is sweeping. @returns whether it did */
  async sweep(): Promise<boolean> {
    return this.sweepAfter(await this.sweeps.last(this.database.manager));
  }

  private async sweepAfter(last: SweepResult | null): Promise<boolean> {
    const { manager } = this.database;
    const now = this.clock.now();
    const sweeper = newId(now);
    if (!(await this.sweeps.claim(manager, sweeper, last))) return false;
    try {
      const started = performance.now();
      const counts = await this.count(sweeper, now);
      if (!counts) {
        await this.sweeps.release(manager, sweeper);
        return false;
      }
      await this.sweeps.finish(manager, sweeper, {
        startedAt: now,
        finishedAt: this.clock.now(),
        seconds: (performance.now() - started) / 1000,
        ...counts,
      });
      return true;
    } catch (error) {
      // If this fails too, the turn ends by itself.
      await this.sweeps.release(manager, sweeper).catch(() => undefined);
      throw error;
    }
  }

  /**
   * A sweep is due every five minutes, on a new day, because purchases begin and end then, and once after
   * the start, because the catalog may be another one.
   */
  private isDue(last: SweepResult | null): boolean {
    if (last === null || last.startedAt < this.runsSince) return true;
    const now = this.clock.now();
    return (
      dayOf(last.startedAt) !== dayOf(now) ||
      Math.abs(now.getTime() - last.startedAt.getTime()) >= EVERY_MS
    );
  }

  /** Null if a page took so long that another replica has begun, or if the service stops. */
  private async count(
    sweeper: string,
    now: Date,
  ): Promise<Pick<SweepResult, 'overdue' | 'byTimeLeft'> | null> {
    const byTimeLeft = Object.fromEntries(TIMES_LEFT.map((left) => [left, 0])) as Record<
      TimeLeft,
      number
    >;
    let overdue = 0;
    for await (const page of this.pages.sweep(now, null)) {
      for (const swept of page) {
        byTimeLeft[timeLeftOf(swept, now)] += 1;
        if (swept.health?.state === 'sync_overdue') overdue += 1;
      }
      if (!(await this.sweeps.keep(this.database.manager, sweeper))) return null;
    }
    return this.pages.isStopping ? null : { overdue, byTimeLeft };
  }
}

function timeLeftOf({ instance, health }: SweptInstance, now: Date): TimeLeft {
  return timeLeft(health === null ? instance.tokenExpiresAt : health.losesServiceAt, now);
}
