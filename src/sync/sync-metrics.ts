import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Metrics } from '../platform/metrics.js';

@Injectable()
export class SyncMetrics {
  readonly syncs: Counter<'outcome' | 'code'>;
  readonly activations: Counter<'outcome' | 'code'>;
  readonly seatLinks: Counter<'outcome' | 'code'>;

  constructor({ registry }: Metrics) {
    const labels = { labelNames: ['outcome', 'code'] as const, registers: [registry] };
    this.syncs = new Counter({
      name: 'issuer_syncs_total',
      help:
        'Token syncs by code and outcome: issued, answered (no token was asked for), revoked (an admin ' +
        'revoked the tokens), denied, failed.',
      ...labels,
    });
    this.activations = new Counter({
      name: 'issuer_activations_total',
      help: 'Activations by code and outcome: activated, refused.',
      ...labels,
    });
    this.seatLinks = new Counter({
      name: 'issuer_seat_links_total',
      help: 'Seat links by code and outcome: recorded, kept_apart (their numbers cannot be true), refused.',
      ...labels,
    });
  }
}
