import { Injectable } from '@nestjs/common';
import { Histogram } from 'prom-client';
import { Metrics, SECONDS, timed } from '../platform/metrics.js';

@Injectable()
export class SignatureMetrics {
  private readonly seconds: Histogram;

  constructor({ registry }: Metrics) {
    this.seconds = new Histogram({
      name: 'issuer_signature_seconds',
      help: 'Time to sign one service token, waiting for a thread included.',
      buckets: SECONDS,
      registers: [registry],
    });
  }

  async time<Result>(sign: () => Promise<Result>): Promise<Result> {
    return timed(this.seconds.startTimer(), sign);
  }
}
