import { Inject, Injectable } from '@nestjs/common';
import type { TokenPolicy } from '../domain/service-token-claims.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/** The operator's terms, as the service was configured. */
@Injectable()
export class IssuancePolicy implements TokenPolicy {
  readonly issuer: string;
  readonly ttlSeconds: number;
  readonly notBeforeSkewSeconds: number;

  constructor(@Inject(SERVICE_CONFIG) config: ServiceConfig) {
    this.issuer = config.issuerUrl;
    this.ttlSeconds = config.serviceTokenTtlSeconds;
    this.notBeforeSkewSeconds = config.notBeforeSkewSeconds;
  }
}
