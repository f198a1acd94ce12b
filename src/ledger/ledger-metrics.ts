import { Injectable } from '@nestjs/common';
import { Histogram } from 'prom-client';
import { DatabaseMetrics } from '../database/database-metrics.js';
import { Metrics } from '../platform/metrics.js';

@Injectable()
export class LedgerMetrics {
  readonly batchRows: Histogram;

  constructor(
    { registry }: Metrics,
    private readonly database: DatabaseMetrics,
  ) {
    this.batchRows = new Histogram({
      name: 'issuer_ledger_batch_rows',
      help: 'Issued tokens that shared one flush of the ledger.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers: [registry],
    });
  }

  async timeStatement<Result>(statement: string, run: () => Promise<Result>): Promise<Result> {
    return this.database.timeStatement(statement, run);
  }
}
