import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { Notifications } from '../database/notifications.js';
import { guarded } from '../platform/guarded.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { waitAtMost } from '../platform/wait-at-most.js';
import { JobRunner } from './job-runner.js';
import { allJobs, type Job } from './jobs.js';

/**
 * Runs every job at its interval. The first turn comes one interval after the start. A turn does not wait
 * for the turn before it.
 */
@Injectable()
export class Scheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly jobs: readonly Job[];
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    moduleRef: ModuleRef,
    notifications: Notifications,
    private readonly runner: JobRunner,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.jobs = allJobs((type) => moduleRef.get(type, { strict: false }));
    for (const job of this.jobs) {
      if (job.channel !== undefined) notifications.on(job.channel, () => this.runner.run(job));
    }
  }

  onApplicationBootstrap(): void {
    for (const job of this.jobs) {
      const turn = guarded(this.logger, job.name, () => this.turn(job));
      this.timers.push(setInterval(turn, job.everyMs));
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stop();
    for (const job of this.jobs) {
      if (job.lastRunMs !== undefined) await waitAtMost(job.lastRunMs, this.runner.run(job));
    }
  }

  /** @returns how many jobs it stopped */
  stop(): number {
    const timers = this.timers.splice(0);
    for (const timer of timers) clearInterval(timer);
    return timers.length;
  }

  private async turn(job: Job): Promise<void> {
    await this.runner.run(job);
    if (job.followedBy) await this.runner.run(job.followedBy);
  }
}
