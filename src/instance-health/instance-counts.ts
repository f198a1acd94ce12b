import { Inject, Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import type { EntityManager } from 'typeorm';
import { SUSPICION_REASONS } from '../domain/suspicions.js';
import { InstanceRepository, type SharedLicense } from '../instances/instance.repository.js';
import { SightingRepository } from '../instances/sighting.repository.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { InstanceSweepsRepository } from './instance-sweeps.repository.js';

const COUNT_EVERY_MS = 60_000;
/** An instance syncs about once a day, and reports its seats every day. */
const IN_USE_MS = 30 * 86_400_000;
/** A license may have any number of instances, but hardly any license has so many. */
const MANY = 100;

/** Counts the instances that an operator should look at. */
@Injectable()
export class InstanceCounts {
  private readonly gauges: ReturnType<typeof gauges>;
  private withExcessScopes = 0;
  private countedAt = -Infinity;
  /** By license: how many instances it had when the log last named it. */
  private logged: ReadonlyMap<string, number> = new Map();

  constructor(
    { registry }: Metrics,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly instances: InstanceRepository,
    private readonly sightings: SightingRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.gauges = gauges([registry]);
  }

  async refresh(manager: EntityManager, now: Date): Promise<void> {
    this.showExcessScopes(await this.sweeps.withExcessScopes(manager, now));
    await this.countUse(manager, now);
  }

  private showExcessScopes(instances: number): void {
    this.gauges.withExcessScopes.set(instances);
    const before = this.withExcessScopes;
    if (instances === before) return;
    this.logger.info(
      { instances, before },
      'the number of instances whose tokens have excess scopes has changed',
    );
    this.withExcessScopes = instances;
  }

  /** Once a minute: it reads every instance, and their reports come once a day. */
  private async countUse(manager: EntityManager, now: Date): Promise<void> {
    const at = now.getTime();
    if (at < this.countedAt + COUNT_EVERY_MS && at >= this.countedAt) return;
    this.countedAt = at;
    this.gauges.seatsExceeded.set(await this.instances.countSeatsExceeded(manager));
    const suspicious = await this.sightings.countSuspicious(manager, now);
    for (const reason of SUSPICION_REASONS) {
      this.gauges.suspicious.set({ reason }, suspicious.get(reason) ?? 0);
    }
    const since = new Date(at - IN_USE_MS);
    this.showShared(await this.instances.mostShared(manager, since));
  }

  /**
   * The holder of a license key can invent instances, and gets a token for each. So the log names a license
   * with many instances, and names it again when their number has doubled.
   */
  private showShared(licenses: readonly SharedLicense[]): void {
    this.gauges.mostShared.set(licenses[0]?.instances ?? 0);
    const logged = new Map<string, number>();
    for (const { licenseId, instances } of licenses) {
      if (instances <= MANY) break;
      const before = this.logged.get(licenseId) ?? 0;
      const isNew = instances >= 2 * before;
      logged.set(licenseId, isNew ? instances : before);
      if (isNew) this.logger.warn({ licenseId, instances }, 'many instances share a license');
    }
    this.logged = logged;
  }
}

function gauges(registers: Metrics['registry'][]) {
  return {
    withExcessScopes: new Gauge({
      name: 'issuer_instances_excess_scopes',
      help: 'Instances that hold an unexpired token with scopes that their next one will not have.',
      registers,
    }),
    seatsExceeded: new Gauge({
      name: 'issuer_instances_seats_exceeded',
      help: 'Instances whose last seat link reported more users or add-on seats than were bought.',
      registers,
    }),
    suspicious: new Gauge({
      name: 'issuer_instances_suspicious',
      help: 'Instances whose license key somebody else may be using, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    mostShared: new Gauge({
      name: 'issuer_license_instances_max',
      help: 'The most instances of one license that were seen in the last 30 days.',
      registers,
    }),
  };
}
