import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { KEEP_SIGNING_KEYS_EVERY_MS, KeepSigningKeys } from '../signing-keys/keep-signing-keys.js';
import { JobRunner } from './job-runner.js';

@Injectable()
export class KeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly keep: KeepSigningKeys,
  ) {}

  @Interval(KEEP_SIGNING_KEYS_EVERY_MS)
  async keepSigningKeys(): Promise<void> {
    await this.runner.run('rotate signing keys', () => this.keep.rotate());
    await this.runner.run('refresh signing keys', () => this.keep.refresh());
  }
}
