import { Inject, Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { selfIssuedTokenFaults, serviceTokenFaults } from '../domain/lint-service-token-claims.js';
import type { SelfIssuedTokenClaims } from '../domain/self-issued-token-claims.js';
import type { ServiceTokenClaims, ServiceTokenPolicy } from '../domain/service-token-claims.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { StatusIndices } from './status-indices.js';

/** What the operator has laid down for every token, and the last look at one before it is signed. */
@Injectable()
export class IssuancePolicy {
  readonly terms: ServiceTokenPolicy;
  private readonly refusals: Counter;

  constructor(
    private readonly statusIndices: StatusIndices,
    { registry }: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.refusals = new Counter({
      name: 'issuer_lint_refusals_total',
      help: 'Tokens that were not signed because their claims had faults: each one is a bug.',
      registers: [registry],
    });
    this.terms = {
      issuer: config.issuerUrl,
      ttlSeconds: config.serviceTokenTtlSeconds,
      notBeforeSkewSeconds: config.notBeforeSkewSeconds,
    };
  }

  /** The place of the next token in a status list; null when tokens get none. */
  async statusIndex(): Promise<number | null> {
    return this.statusIndices.take();
  }

  /** @throws {IssuerError} INTERNAL: such claims are a bug of ours, and no key may touch them */
  requireSound(claims: ServiceTokenClaims, payload: Buffer, now: Date): void {
    this.refuse(claims.jti, serviceTokenFaults(claims, this.terms, now, payload.length));
  }

  /** The same for a self-issued token. */
  requireSoundSelfIssued(claims: SelfIssuedTokenClaims, payload: Buffer, now: Date): void {
    this.refuse(claims.jti, selfIssuedTokenFaults(claims, this.terms, now, payload.length));
  }

  private refuse(jti: string, faults: readonly string[]): void {
    if (faults.length === 0) return;
    this.refusals.inc();
    this.logger.error({ jti, faults }, 'claims with faults were not signed');
    throw new IssuerError(
      'INTERNAL',
      'The issuer made no token, because it would have been faulty: its log has the cause.',
    );
  }
}
