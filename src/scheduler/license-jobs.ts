import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { DropOldLicenseKeys } from '../licenses/drop-old-license-keys.js';
import { JobRunner } from './job-runner.js';

const FORGET_EVERY_MS = 300_000;

@Injectable()
export class LicenseJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly dropOldLicenseKeys: DropOldLicenseKeys,
  ) {}

  /** They do not work any more by then: this is about what is kept. */
  @Interval(FORGET_EVERY_MS)
  async forgetEndedKeys(): Promise<void> {
    await this.runner.run('forget old license keys', () => this.dropOldLicenseKeys.run());
  }
}
