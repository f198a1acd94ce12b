import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { ReleaseAbandonedSeats } from '../add-on-purchases/release-abandoned-seats.js';
import { JobRunner } from './job-runner.js';

const RELEASE_EVERY_MS = 3_600_000;

@Injectable()
export class SeatJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly abandonedSeats: ReleaseAbandonedSeats,
  ) {}

  @Interval(RELEASE_EVERY_MS)
  async releaseAbandonedSeats(): Promise<void> {
    await this.runner.run('release abandoned seats', () => this.abandonedSeats.run());
  }
}
