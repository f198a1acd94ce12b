import { Inject, Injectable } from '@nestjs/common';
import { isUnavailable } from '../database/away.js';
import { LOGGER, type Logger } from '../platform/logging.js';

/** Runs the work of a job so that no failure of it ends the process or its later turns. */
@Injectable()
export class JobRunner {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** A job that fails is tried again at its next turn; with the database away it says nothing. */
  async run(job: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isUnavailable(error)) return;
      this.logger.error({ job, error }, 'a scheduled job failed');
    }
  }
}
