import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { SweepChangedInstances } from '../instance-health/sweep-changed-instances.js';
import { InstanceMetrics } from '../instance-health/instance-metrics.js';
import { SweepInstances } from '../instance-health/sweep-instances.js';
import {
  DELETE_OLD_SIGHTINGS_EVERY_MS,
  InstanceSightings,
  WRITE_SIGHTINGS_EVERY_MS,
} from '../instances/instance-sightings.js';
import { JobRunner } from './job-runner.js';

const CHANGES_EVERY_MS = 5000;
/** How often it is asked whether a sweep is due. */
const SWEEP_EVERY_MS = 10_000;

/** Keeps count of what instances hold, and of what they should. */
@Injectable()
export class InstanceJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly sweep: SweepInstances,
    private readonly changes: SweepChangedInstances,
    private readonly metrics: InstanceMetrics,
    private readonly sightings: InstanceSightings,
  ) {}

  @Interval(CHANGES_EVERY_MS)
  async followChanges(): Promise<void> {
    await this.runner.run('follow changes of entitlements', async () => {
      await this.changes.sweep();
      await this.metrics.refresh();
    });
  }

  @Interval(SWEEP_EVERY_MS)
  async sweepInstances(): Promise<void> {
    await this.runner.run('sweep instances', () => this.sweep.sweepIfDue());
  }

  @Interval(WRITE_SIGHTINGS_EVERY_MS)
  async writeSightings(): Promise<void> {
    await this.runner.run('write sightings of instances', () => this.sightings.flush());
  }

  @Interval(DELETE_OLD_SIGHTINGS_EVERY_MS)
  async forgetSightings(): Promise<void> {
    await this.runner.run('forget old sightings of instances', () => this.sightings.forgetOld());
  }
}
