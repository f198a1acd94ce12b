import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { KeySetFetches, WRITE_FETCHES_EVERY_MS } from '../signing-keys/key-set-fetches.js';
import { JobRunner } from './job-runner.js';

@Injectable()
export class KeySetJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly fetches: KeySetFetches,
  ) {}

  @Interval(WRITE_FETCHES_EVERY_MS)
  async writeFetches(): Promise<void> {
    await this.runner.run('write fetches of the key set', () => this.fetches.flush());
  }
}
