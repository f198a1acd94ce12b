import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { FINDING_CODES, type Finding } from '../ledger-audit/finding.js';
import { LedgerAuditor } from '../ledger-audit/ledger-auditor.js';
import { LedgerCheckpoints } from '../ledger-audit/ledger-checkpoints.js';
import { LedgerRetention } from '../ledger-audit/ledger-retention.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { JobRunner } from './job-runner.js';

const CHECKPOINT_EVERY_MS = 60_000;
const SAMPLE_EVERY_MS = 600_000;
const DROP_EVERY_MS = 3_600_000;
/** A stop does not wait longer for a last checkpoint: whoever runs next writes it. */
const LAST_CHECKPOINT_WITHIN_MS = 1500;

/** Makes findings known to whoever watches the service. */
@Injectable()
export class LedgerFindings {
  constructor(
    private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    for (const finding of FINDING_CODES) metrics.ledgerFindings.inc({ finding }, 0);
  }

  tell(finding: Finding): void {
    this.metrics.ledgerFindings.inc({ finding: finding.finding });
    this.logger.error(finding, 'the audit of the ledger has found something');
  }
}

/** What the ledger needs to be proved later, and to stay as small as the operator wants it. */
@Injectable()
export class LedgerJobs implements BeforeApplicationShutdown {
  constructor(
    private readonly runner: JobRunner,
    private readonly checkpoints: LedgerCheckpoints,
    private readonly auditor: LedgerAuditor,
    private readonly retention: LedgerRetention,
    private readonly findings: LedgerFindings,
  ) {}

  @Interval(CHECKPOINT_EVERY_MS)
  async writeCheckpoint(): Promise<void> {
    await this.runner.run('write ledger checkpoint', () => this.checkpoints.write());
  }

  @Interval(SAMPLE_EVERY_MS)
  async auditSample(): Promise<void> {
    await this.runner.run('audit a sample of the ledger', () =>
      this.auditor.sample((finding) => {
        this.findings.tell(finding);
      }),
    );
  }

  @Interval(DROP_EVERY_MS)
  async dropOldDays(): Promise<void> {
    await this.runner.run('drop old days of the ledger', () => this.retention.dropOldDays());
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.race([
      this.writeCheckpoint(),
      sleep(LAST_CHECKPOINT_WITHIN_MS, undefined, { ref: false }),
    ]);
  }
}
