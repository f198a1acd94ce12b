import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { LedgerAuditor } from '../ledger-audit/ledger-auditor.js';
import { LedgerFindings } from '../ledger-audit/ledger-findings.js';
import { LedgerCheckpoints } from '../ledger/ledger-checkpoints.js';
import { LedgerRetention } from '../ledger/ledger-retention.js';
import { JobRunner } from './job-runner.js';

const CHECKPOINT_EVERY_MS = 60_000;
const SAMPLE_EVERY_MS = 600_000;
const DROP_EVERY_MS = 3_600_000;
/** A stop does not wait longer for a last checkpoint: whoever runs next writes it. */
const LAST_CHECKPOINT_WITHIN_MS = 1500;

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
        this.findings.report(finding);
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
