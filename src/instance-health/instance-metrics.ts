import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { TIMES_LEFT } from '../domain/time-left.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { Metrics } from '../platform/metrics.js';
import { InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { InstanceCounts } from './instance-counts.js';

/** The counts of the last sweep. Every replica shows the same, whichever of them swept. */
@Injectable()
export class InstanceMetrics {
  private readonly gauges: ReturnType<typeof gauges>;

  constructor(
    metrics: Metrics,
    private readonly database: Database,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly counts: InstanceCounts,
    private readonly clock: Clock,
  ) {
    this.gauges = gauges(metrics);
  }

  /** Reads the counts, so that a scrape needs no database. */
  async refresh(): Promise<void> {
    const now = this.clock.now();
    const { manager } = this.database;
    await this.counts.refresh(manager, now);
    const last = await this.sweeps.last(manager);
    if (last === null) return;
    this.gauges.overdue.set(last.overdue);
    this.gauges.lastSuccess.set(last.finishedAt.getTime() / 1000);
    this.gauges.seconds.set(last.seconds);
    for (const left of TIMES_LEFT) this.gauges.byTimeLeft.set({ left }, last.byTimeLeft[left]);
  }
}

function gauges({ registry }: Metrics) {
  const registers = [registry];
  return {
    overdue: new Gauge({
      name: 'issuer_instances_sync_overdue',
      help: 'Instances that hold a token but have not synced when it was due, by the last sweep.',
      registers,
    }),
    byTimeLeft: new Gauge({
      name: 'issuer_instances_by_time_left',
      help:
        'Instances by the time until they lose service if nothing changes, by the last sweep; none: ' +
        'it never had a token.',
      labelNames: ['left'] as const,
      registers,
    }),
    lastSuccess: new Gauge({
      name: 'issuer_instance_sweep_last_success_timestamp_seconds',
      help: 'When the last sweep of all instances ended, in seconds since 1970; 0 before the first.',
      registers,
    }),
    seconds: new Gauge({
      name: 'issuer_instance_sweep_seconds',
      help: 'How long the last sweep of all instances took.',
      registers,
    }),
  };
}
