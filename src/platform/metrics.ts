import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Registry } from 'prom-client';

/** Buckets of time histograms. */
export const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** The metrics of `GET /-/metrics`. Each room registers its own. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }
}

/** Stops a timer of a histogram when the work is done or has failed. */
export async function timed<Result>(
  stop: () => void,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } finally {
    stop();
  }
}
