import { Inject, Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import type { EntityManager } from 'typeorm';
import { SUSPICION_REASONS } from '../domain/suspicions.js';
import { TIMES_LEFT } from '../domain/time-left.js';
import { InstanceRepository, type SharedLicense } from '../instances/instance.repository.js';
import { SightingRepository } from '../instances/sighting.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { InstanceSweepsRepository } from './instance-sweeps.repository.js';

const COUNT_EVERY_MS = 60_000;
/** An instance syncs every three days, and reports its seats every day. */
const IN_USE_MS = 30 * 86_400_000;
/** A license may have any number of instances, and hardly one has so many. */
const MANY = 100;

/** What sweeps found, shown by every replica alike, whichever of them swept. */
@Injectable()
export class InstanceMetrics {
  private readonly gauges: ReturnType<typeof gauges>;
  private withExcessScopes = 0;
  private countedAt = -Infinity;
  /** By license: how many instances it had when that was last told. */
  private toldMany: ReadonlyMap<string, number> = new Map();

  constructor(
    metrics: Metrics,
    private readonly database: Database,
    private readonly sweeps: InstanceSweepsRepository,
    private readonly instances: InstanceRepository,
    private readonly sightings: SightingRepository,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.gauges = gauges(metrics);
  }

  /** Reads the counts; a scrape itself asks nothing of the database. */
  async refresh(): Promise<void> {
    const { manager } = this.database;
    await this.countAll(manager);
    this.tell(await this.sweeps.withExcessScopes(manager, this.clock.now()));
    const last = await this.sweeps.last(manager);
    if (last === null) return;
    this.gauges.overdue.set(last.overdue);
    this.gauges.lastSuccess.set(last.finishedAt.getTime() / 1000);
    this.gauges.seconds.set(last.seconds);
    for (const left of TIMES_LEFT) this.gauges.byTimeLeft.set({ left }, last.byTimeLeft[left]);
  }

  /** Looks at every instance, which changes what it is asked for once a day: no need to hurry. */
  private async countAll(manager: EntityManager): Promise<void> {
    const now = this.clock.now().getTime();
    if (now < this.countedAt + COUNT_EVERY_MS && now >= this.countedAt) return;
    this.countedAt = now;
    this.gauges.overUsed.set(await this.instances.countOverUsed(manager));
    const suspicious = await this.sightings.countSuspicious(manager, new Date(now));
    for (const reason of SUSPICION_REASONS) {
      this.gauges.suspicious.set({ reason }, suspicious.get(reason) ?? 0);
    }
    const since = new Date(now - IN_USE_MS);
    this.tellOfShared(await this.instances.mostShared(manager, since));
  }

  /** Whoever holds a key can make up instances, and gets a token for each. Told again when doubled. */
  private tellOfShared(licenses: readonly SharedLicense[]): void {
    this.gauges.mostShared.set(licenses[0]?.instances ?? 0);
    const told = new Map<string, number>();
    for (const { licenseId, instances } of licenses) {
      if (instances <= MANY) break;
      const before = this.toldMany.get(licenseId) ?? 0;
      const tell = instances >= 2 * before;
      told.set(licenseId, tell ? instances : before);
      if (tell) this.logger.warn({ licenseId, instances }, 'many instances share a license');
    }
    this.toldMany = told;
  }

  private tell(withExcessScopes: number): void {
    this.gauges.withExcessScopes.set(withExcessScopes);
    if (withExcessScopes === this.withExcessScopes) return;
    this.logger.info(
      { instances: withExcessScopes, before: this.withExcessScopes },
      'the number of instances whose tokens say more than they should has changed',
    );
    this.withExcessScopes = withExcessScopes;
  }
}

function gauges({ registry }: Metrics) {
  const registers = [registry];
  return {
    ...gaugesOfUse(registers),
    withExcessScopes: new Gauge({
      name: 'issuer_instances_excess_scopes',
      help: 'Instances that hold an unexpired token with scopes that their next one will not have.',
      registers,
    }),
    overdue: new Gauge({
      name: 'issuer_instances_sync_overdue',
      help: 'Instances that hold a token but have not synced when it was due, by the last sweep.',
      registers,
    }),
    byTimeLeft: new Gauge({
      name: 'issuer_instances_by_time_left',
      help:
        'Instances by the time until they lose service if nothing changes, by the last sweep: up ' +
        'to so much; none: it never had a token.',
      labelNames: ['left'] as const,
      registers,
    }),
    lastSuccess: new Gauge({
      name: 'issuer_sweep_last_success_timestamp_seconds',
      help: 'When the last sweep of all instances ended, in seconds since 1970; 0 before the first.',
      registers,
    }),
    seconds: new Gauge({
      name: 'issuer_sweep_seconds',
      help: 'How long the last sweep of all instances took.',
      registers,
    }),
  };
}

function gaugesOfUse(registers: Metrics['registry'][]) {
  return {
    overUsed: new Gauge({
      name: 'issuer_instances_over_used',
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
      help: 'The most instances that were heard of with one license in the last 30 days.',
      registers,
    }),
  };
}
