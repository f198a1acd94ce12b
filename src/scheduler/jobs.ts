import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../platform/clock.js';
import { isDatabaseAway } from '../platform/database-away.js';
import { asIssuerError } from '../platform/error-faces.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { IssuanceLedger } from '../token-issuance/issuance-ledger.js';

const KEYS_EVERY_MS = 10_000;
const PARTITIONS_EVERY_MS = 3_600_000;

/** When things happen by themselves; what happens is the use cases' business. */
@Injectable()
export class Jobs {
  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly ledger: IssuanceLedger,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Interval(KEYS_EVERY_MS)
  async refreshSigningKeys(): Promise<void> {
    await this.run('refresh signing keys', () => this.signingKeys.refresh());
  }

  @Interval(PARTITIONS_EVERY_MS)
  async createLedgerPartitions(): Promise<void> {
    await this.run('create ledger partitions', () =>
      this.ledger.createPartitionsAhead(this.clock.now()),
    );
  }

  /** A job that fails is tried again at its next turn; with the database away it says nothing. */
  private async run(job: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isDatabaseAway(error) || asIssuerError(error)?.code === 'UNAVAILABLE') return;
      this.logger.error({ job, error }, 'a scheduled job failed');
    }
  }
}
