import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import type { TokenDraft } from '../domain/draft-token.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';

/** Keeps claims with faults from the signing key, and reports them. */
@Injectable()
export class LintRefusals {
  private readonly refusals: Counter;

  constructor(
    { registry }: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.refusals = new Counter({
      name: 'issuer_lint_refusals_total',
      help: 'Tokens that were not signed because their claims had faults. Each one is a bug.',
      registers: [registry],
    });
  }

  /** @throws {IssuerError} INTERNAL */
  refuseFaults({ jti, faults }: TokenDraft): void {
    if (faults.length === 0) return;
    this.refusals.inc();
    this.logger.error({ jti, faults }, 'claims with faults were not signed');
    throw new IssuerError(
      'INTERNAL',
      'The issuer made no token, because its claims would have been wrong. Its log has the cause.',
    );
  }
}
