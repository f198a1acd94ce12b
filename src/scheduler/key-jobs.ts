import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { LOGGER, type Logger } from '../platform/logging.js';
import { RotateSigningKeys } from '../signing-keys/rotate-signing-keys.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { JobRunner } from './job-runner.js';

const EVERY_MS = 10_000;

/** Every replica asks what is due; whoever is first does it, and all of them take the keys over. */
@Injectable()
export class KeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly rotateSigningKeys: RotateSigningKeys,
    private readonly signingKeys: SigningKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Interval(EVERY_MS)
  async keepSigningKeys(): Promise<void> {
    await this.runner.run('rotate signing keys', async () => {
      for (const step of await this.rotateSigningKeys.carryOutDue()) {
        this.logger.info(step, 'a step of the signing keys was taken');
      }
    });
    await this.runner.run('refresh signing keys', () => this.signingKeys.refresh());
  }
}
