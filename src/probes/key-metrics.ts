import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Clock } from '../platform/clock.js';
import { Metrics } from '../platform/metrics.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';

/** How old each published key is, by its phase. */
@Injectable()
export class KeyMetrics {
  constructor(metrics: Metrics, signingKeys: SigningKeys, clock: Clock) {
    new Gauge({
      name: 'issuer_signing_key_age_seconds',
      help: 'Seconds since a key was published.',
      labelNames: ['kid', 'phase'],
      registers: [metrics.registry],
      collect() {
        const now = clock.now().getTime();
        this.reset();
        for (const { kid, phase, publishedAt } of signingKeys.timeline()) {
          this.set({ kid, phase }, (now - publishedAt.getTime()) / 1000);
        }
      },
    });
  }
}
