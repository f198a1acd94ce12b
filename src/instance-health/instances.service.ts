import { Injectable } from '@nestjs/common';
import type { InstanceHealth } from '../domain/instance-health.js';
import type { InstanceEntity } from '../instances/instance.entity.js';
import { type InstanceFilter, InstanceRepository } from '../instances/instance.repository.js';
import { NOT_SEEN, type SightingsOfInstance } from '../instances/sighting-rows.js';
import { SightingRepository } from '../instances/sighting.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { AssessInstances } from './assess-instances.js';

export interface AssessedInstance {
  readonly instance: InstanceEntity;
  readonly health: InstanceHealth;
  /** Whether it reported more users or seats than were bought. */
  readonly seatsExceeded: boolean;
  readonly sightings: SightingsOfInstance;
}

/** Lists instances with their health and their sightings. */
@Injectable()
export class InstancesService {
  constructor(
    private readonly database: Database,
    private readonly instances: InstanceRepository,
    private readonly sightings: SightingRepository,
    private readonly assessment: AssessInstances,
    private readonly clock: Clock,
  ) {}

  async list(filter: InstanceFilter, page: PageRequest): Promise<Page<AssessedInstance>> {
    const now = this.clock.now();
    const { manager } = this.database;
    const rows = await this.instances.list(manager, filter, page, now);
    const { items, nextCursor } = pageOf(rows, page);
    return { items: await this.assess(items, now), nextCursor };
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(id: string): Promise<AssessedInstance> {
    const now = this.clock.now();
    const { manager } = this.database;
    const instance = await this.instances.get(manager, id);
    const [assessed] = await this.assess([instance], now);
    if (!assessed) throw new Error('an instance was not assessed');
    return assessed;
  }

  private async assess(
    instances: readonly InstanceEntity[],
    now: Date,
  ): Promise<AssessedInstance[]> {
    const { manager } = this.database;
    const ids = instances.map(({ id }) => id);
    const seatsExceeded = await this.instances.seatsExceeded(manager, ids);
    const sightings = await this.sightings.ofInstances(manager, ids, now);
    const assessed = await this.assessment.assess(manager, instances, now);
    return assessed.map((one) => ({
      ...one,
      seatsExceeded: seatsExceeded.has(one.instance.id),
      sightings: sightings.get(one.instance.id) ?? NOT_SEEN,
    }));
  }
}
