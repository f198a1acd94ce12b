import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../platform/clock.js';
import { IssuanceLedger } from '../ledger/issuance-ledger.js';
import { JobRunner } from './job-runner.js';

const PARTITIONS_EVERY_MS = 3_600_000;

/** When things happen by themselves; what happens is the use cases' business. */
@Injectable()
export class Jobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly ledger: IssuanceLedger,
    private readonly clock: Clock,
  ) {}

  @Interval(PARTITIONS_EVERY_MS)
  async createLedgerPartitions(): Promise<void> {
    await this.runner.run('create ledger partitions', () =>
      this.ledger.createPartitionsAhead(this.clock.now()),
    );
  }
}
