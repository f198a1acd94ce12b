import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { SharedRun } from '../database/shared-run.js';
import { waitAtMost } from '../platform/wait-at-most.js';
import { type AdmittedRequest, type SeenInstance, SightingCounts } from './sighting-counts.js';
import { type NewSuspicion, SightingRepository } from './sighting.repository.js';

/** The limits of one transaction, so that judging its instances blocks the event loop for milliseconds. */
const MAX_INSTANCES = 100;
const MAX_SIGHTINGS = 500;
export const WRITE_SIGHTINGS_EVERY_MS = 10_000;
export const DELETE_OLD_SIGHTINGS_EVERY_MS = 3_600_000;
/** How long a stop waits for the last write. */
const LAST_WRITE_MS = 1000;
/** The log names so many at once: a stolen key can be used with any number of invented instances. */
const MAX_LINES = 20;

/**
 * Counts where the requests of instances come from, so that an operator notices when somebody else uses a
 * license key. It counts in memory and writes every few seconds, so no request waits for it.
 */
@Injectable()
export class InstanceSightings implements OnApplicationShutdown {
  private counts = new SightingCounts();
  private readonly writing = new SharedRun(() => this.write());
  private readonly uncounted: Counter;

  constructor(
    private readonly database: Database,
    private readonly repository: SightingRepository,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    { registry }: Metrics,
  ) {
    this.uncounted = new Counter({
      name: 'issuer_sightings_uncounted_total',
      help: 'Requests of instances whose network was not counted, because too many instances came at once.',
      registers: [registry],
    });
  }

  /** Counts a sync or a seat link that was admitted. */
  note(request: AdmittedRequest): void {
    if (!this.counts.note(request)) this.uncounted.inc();
  }

  /**
   * Writes the counts, and keeps those that it could not write. If a write's answer is lost, its counts are
   * added twice.
   */
  async flush(): Promise<void> {
    await this.writing.run();
  }

  /** Drops the rows of instances that were not seen for 14 days. */
  async forgetOld(): Promise<void> {
    const now = this.clock.now();
    await this.database.transaction((manager) => this.repository.forgetOld(manager, now));
  }

  /** Comes after the last answer. */
  async onApplicationShutdown(): Promise<void> {
    await waitAtMost(LAST_WRITE_MS, this.flush());
  }

  private async write(): Promise<void> {
    const seen = this.counts.all();
    this.counts = new SightingCounts();
    const findings: NewSuspicion[] = [];
    try {
      while (seen.length > 0) {
        const portion = portionOf(seen);
        findings.push(...(await this.writeSome(portion)));
        seen.splice(0, portion.length);
      }
    } catch (error) {
      for (const instance of seen) this.counts.restore(instance);
      throw error;
    } finally {
      this.log(findings);
    }
  }

  private async writeSome(seen: readonly SeenInstance[]): Promise<readonly NewSuspicion[]> {
    const now = this.clock.now();
    return this.database.transaction((manager) => this.repository.add(manager, seen, now));
  }

  private log(findings: readonly NewSuspicion[]): void {
    for (const { instance, licenseId, suspicion } of findings.slice(0, MAX_LINES)) {
      const { reason, since, values } = suspicion;
      this.logger.warn({ instance, licenseId, reason, since, values }, SUSPICIOUS);
    }
    const more = findings.length - MAX_LINES;
    if (more > 0) this.logger.warn({ more }, `${SUSPICIOUS}: there are more`);
  }
}

/** The first instances, at least one, within the limits of a transaction. */
function portionOf(seen: readonly SeenInstance[]): readonly SeenInstance[] {
  let sightings = 0;
  const end = seen.findIndex(({ networks, hostNames }, index) => {
    sightings += networks.length + hostNames.length;
    return index > 0 && (index >= MAX_INSTANCES || sightings > MAX_SIGHTINGS);
  });
  return end === -1 ? seen.slice() : seen.slice(0, end);
}

const SUSPICIOUS =
  'an instance is used as if its license key were stolen: see docs/operate/stolen-license-key.md';
