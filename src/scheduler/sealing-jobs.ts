import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { RewrapSealedValues } from '../sealing/rewrap-sealed-values.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { JobRunner } from './job-runner.js';

const REWRAP_EVERY_MS = 300_000;

@Injectable()
export class SealingJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly rewrapSealedValues: RewrapSealedValues,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /** Again and again: a replica that still runs with the old key goes on sealing under it. */
  @Interval(REWRAP_EVERY_MS)
  async rewrapWhatIsLeft(): Promise<void> {
    if (this.config.keyEncryptionKeyPrevious !== null) await this.rewrap();
  }

  /** At the start, with a previous key or without: values that no key opens have to be told of. */
  async rewrap(): Promise<void> {
    await this.runner.run('re-wrap sealed values', () => this.rewrapSealedValues.run());
  }
}
