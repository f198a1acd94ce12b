import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { SEALED_COLUMNS, type SealedColumn, sealedOwner } from './sealed-columns.js';
import {
  countSealedValues,
  replaceSealedValues,
  type RewrappedValue,
  type SealedValue,
  type SealedValueCounts,
  sealedValuesAfter,
} from './sealed-values.js';
import { Sealing, UnsealError } from './sealing.js';

export const REWRAP_EVERY_MS = 300_000;
const BATCH = 100;

/** The progress of a run, in sealed values. */
export interface RewrapProgress {
  readonly done: number;
  readonly total: number;
}

/**
 * Seals again, under the current key-encryption key, what is still sealed under the previous one, while
 * the service runs. The rows themselves show what is left. Each batch commits on its own. If a run is
 * killed, the next one continues. Several replicas may run at once, and a second run changes nothing.
 */
@Injectable()
export class RewrapSealedValues implements BeforeApplicationShutdown {
  private readonly gauge: Gauge<'sealed_under'>;
  private running: Promise<unknown> = Promise.resolve();
  private stopping = false;
  private logged = '';

  constructor(
    private readonly database: Database,
    private readonly sealing: Sealing,
    @Inject(SEALED_COLUMNS) private readonly columns: readonly SealedColumn[],
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.gauge = new Gauge({
      name: 'issuer_sealed_values',
      help: 'Sealed values at the last count, by the key-encryption key that opens them.',
      labelNames: ['sealed_under'] as const,
      registers: [metrics.registry],
    });
  }

  /**
   * One pass over all columns. It waits for a pass that is already running. Rows that another
   * transaction has locked are left to the next run.
   * @returns how many values are sealed under which key afterwards
   */
  async run(onProgress?: (progress: RewrapProgress) => void): Promise<SealedValueCounts> {
    const run = this.running.then(() => this.pass(onProgress));
    this.running = run.catch(() => undefined);
    return run;
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  private async pass(onProgress?: (progress: RewrapProgress) => void): Promise<SealedValueCounts> {
    const before = await this.count();
    const header = this.sealing.previousHeader;
    if (header === null || before.previous === 0) return this.logCounts(before);
    let done = 0;
    for (const column of this.columns) {
      for await (const batch of this.batches(column, header)) {
        await replaceSealedValues(this.database.manager, column, this.rewrapped(column, batch));
        done += batch.length;
        // Values may have been added since the count.
        onProgress?.({ done, total: Math.max(done, before.previous) });
      }
    }
    return this.logCounts(await this.count());
  }

  private async *batches(
    column: SealedColumn,
    header: Buffer,
  ): AsyncGenerator<readonly SealedValue[]> {
    let batch: readonly SealedValue[] = [];
    do {
      const after = batch.at(-1)?.id ?? null;
      batch = await sealedValuesAfter(this.database.manager, column, header, after, BATCH);
      if (batch.length > 0) yield batch;
    } while (batch.length === BATCH && !this.stopping);
  }

  /** Skips a value that does not open, so that the others are still sealed again. */
  private rewrapped(column: SealedColumn, batch: readonly SealedValue[]): RewrappedValue[] {
    return batch.flatMap((value) => {
      try {
        const owner = sealedOwner(column, value.id);
        return [{ ...value, rewrapped: this.sealing.rewrap(value.sealed, owner) }];
      } catch (error) {
        if (!(error instanceof UnsealError)) throw error;
        this.logger.error({ error }, 'a sealed value does not open and was left unchanged');
        return [];
      }
    });
  }

  private async count(): Promise<SealedValueCounts> {
    const total = { current: 0, previous: 0, unknown: 0 };
    for (const column of this.columns) {
      const counts = await countSealedValues(this.database.manager, column, this.sealing);
      total.current += counts.current;
      total.previous += counts.previous;
      total.unknown += counts.unknown;
    }
    for (const key of ['current', 'previous', 'unknown'] as const) {
      this.gauge.set({ sealed_under: key }, total[key]);
    }
    return total;
  }

  /** Logs what an operator has to do, and logs it again only when it changes. */
  private logCounts(counts: SealedValueCounts): SealedValueCounts {
    const state = `${counts.previous > 0} ${counts.unknown}`;
    if (state === this.logged) return counts;
    this.logged = state;
    if (counts.unknown > 0) {
      this.logger.error({ sealedValues: counts }, UNKNOWN_KEY);
    } else if (counts.previous === 0 && this.sealing.previousHeader !== null) {
      this.logger.info({ sealedValues: counts }, ALL_CURRENT);
    }
    return counts;
  }
}

const UNKNOWN_KEY =
  'some values are sealed under an unknown key: start with KEY_ENCRYPTION_KEY_PREVIOUS set to the ' +
  'key-encryption key that sealed them';
const ALL_CURRENT =
  'everything is sealed under KEY_ENCRYPTION_KEY: once every replica runs with it, ' +
  'KEY_ENCRYPTION_KEY_PREVIOUS can be removed';
