import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { FINDING_CODES, type Finding } from './finding.js';

/** Puts the findings of the scheduled audit into the metrics and the log. */
@Injectable()
export class LedgerFindings {
  private readonly findings: Counter<'finding'>;

  constructor(
    { registry }: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.findings = new Counter({
      name: 'issuer_ledger_findings_total',
      help: 'Findings of the scheduled audit of the ledger, by code: none is normal.',
      labelNames: ['finding'] as const,
      registers: [registry],
    });
    for (const finding of FINDING_CODES) this.findings.inc({ finding }, 0);
  }

  report(finding: Finding): void {
    this.findings.inc({ finding: finding.finding });
    this.logger.error(finding, 'the audit of the ledger has a finding');
  }
}
