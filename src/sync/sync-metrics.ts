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
        'Token syncs by outcome (issued; answered, when no token was asked for; revoked, when an ' +
        'admin has revoked the tokens; denied; failed) and code.',
      ...labels,
    });
    this.activations = new Counter({
      name: 'issuer_activations_total',
      help: 'Activations by outcome (activated, refused) and code.',
      ...labels,
    });
    this.seatLinks = new Counter({
      name: 'issuer_seat_links_total',
      help: 'Seat links by outcome (recorded; kept_apart, when their numbers cannot be true; refused) and code.',
      ...labels,
    });
  }
}
