import { Inject, Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import type { EntityManager } from 'typeorm';
import { TIMES_LEFT } from '../domain/time-left.js';
import { InstanceRepository } from '../instances/instance.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { InstanceSweepsRepository } from './instance-sweeps.repository.js';

const OVER_USED_EVERY_MS = 60_000;

/** What sweeps found, shown by every replica alike, whichever of them swept. */
@Injectable()
export class InstanceMetrics {
  private readonly gauges: ReturnType<typeof gauges>;
  private tooBroad = 0;
  private overUsedCountedAt = -Infinity;

  constructor(
    metrics: Metrics,
    private readonly database: Database,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly instances: InstanceRepository,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.gauges = gauges(metrics);
  }

  /** Reads the counts; a scrape itself asks nothing of the database. */
  async refresh(): Promise<void> {
    const { manager } = this.database;
    await this.countOverUsed(manager);
    this.tell(await this.sweeps.tooBroad(manager, this.clock.now()));
    const last = await this.sweeps.last(manager);
    if (last === null) return;
    this.gauges.overdue.set(last.overdue);
    this.gauges.lastSuccess.set(last.finishedAt.getTime() / 1000);
    this.gauges.seconds.set(last.seconds);
    for (const left of TIMES_LEFT) this.gauges.byTimeLeft.set({ left }, last.byTimeLeft[left]);
  }

  /** Looks at every instance that has sent a seat link, which happens once a day: no need to hurry. */
  private async countOverUsed(manager: EntityManager): Promise<void> {
    const now = this.clock.now().getTime();
    if (now < this.overUsedCountedAt + OVER_USED_EVERY_MS && now >= this.overUsedCountedAt) return;
    this.overUsedCountedAt = now;
    this.gauges.overUsed.set(await this.instances.countOverUsed(manager));
  }

  private tell(tooBroad: number): void {
    this.gauges.tooBroad.set(tooBroad);
    if (tooBroad === this.tooBroad) return;
    this.logger.info(
      { instances: tooBroad, before: this.tooBroad },
      'the number of instances whose tokens say more than they should has changed',
    );
    this.tooBroad = tooBroad;
  }
}

function gauges({ registry }: Metrics) {
  const registers = [registry];
  return {
    tooBroad: new Gauge({
      name: 'issuer_instances_token_too_broad',
      help: 'Instances that hold an unexpired token with scopes that their next one will not have.',
      registers,
    }),
    overUsed: new Gauge({
      name: 'issuer_instances_over_used',
      help: 'Instances whose last seat link reported more users or add-on seats than were bought.',
      registers,
    }),
    overdue: new Gauge({
      name: 'issuer_instances_sync_overdue',
      help: 'Instances that hold a token but have not synced when it was due, by the last sweep.',
      registers,
    }),
    byTimeLeft: new Gauge({
      name: 'issuer_instances_by_time_left',
      help:
        'Instances by the time until they lose service if nothing changes, by the last sweep: up ' +
        'to so much; none: it never had a token.',
      labelNames: ['left'] as const,
      registers,
    }),
    lastSuccess: new Gauge({
      name: 'issuer_sweep_last_success_timestamp_seconds',
      help: 'When the last sweep of all instances ended, in seconds since 1970; 0 before the first.',
      registers,
    }),
    seconds: new Gauge({
      name: 'issuer_sweep_seconds',
      help: 'How long the last sweep of all instances took.',
      registers,
    }),
  };
}
