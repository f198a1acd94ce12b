import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../platform/clock.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { IssuanceLedger } from '../token-issuance/issuance-ledger.js';
import { JobRunner } from './job-runner.js';

const KEYS_EVERY_MS = 10_000;
const PARTITIONS_EVERY_MS = 3_600_000;

/** When things happen by themselves; what happens is the use cases' business. */
@Injectable()
export class Jobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly signingKeys: SigningKeys,
    private readonly ledger: IssuanceLedger,
    private readonly clock: Clock,
  ) {}

  @Interval(KEYS_EVERY_MS)
  async refreshSigningKeys(): Promise<void> {
    await this.runner.run('refresh signing keys', () => this.signingKeys.refresh());
  }

  @Interval(PARTITIONS_EVERY_MS)
  async createLedgerPartitions(): Promise<void> {
    await this.runner.run('create ledger partitions', () =>
      this.ledger.createPartitionsAhead(this.clock.now()),
    );
  }
}
