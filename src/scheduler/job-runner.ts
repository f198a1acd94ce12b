import { Inject, Injectable } from '@nestjs/common';
import { isUnavailable } from '../database/away.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import type { Task } from './jobs.js';

/** Runs a task so that its failure does not end the process or its later turns. */
@Injectable()
export class JobRunner {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** A failure is logged, unless the database is away. The next turn repeats the task. */
  async run({ name, run }: Task): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (isUnavailable(error)) return;
      this.logger.error({ job: name, error }, 'a scheduled job failed');
    }
  }
}
