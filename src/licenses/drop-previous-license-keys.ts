import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { Clock } from '../platform/clock.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { LicenseRepository } from './license.repository.js';

export const DROP_PREVIOUS_KEYS_EVERY_MS = 300_000;

/** Drops the digests of previous license keys whose grace is over. */
@Injectable()
export class DropPreviousLicenseKeys {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async run(): Promise<void> {
    const keys = await this.licenses.dropEndedKeys(this.database.manager, this.clock.now());
    if (keys > 0) this.logger.info({ keys }, 'the grace of previous license keys ended');
  }
}
