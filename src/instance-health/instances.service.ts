import { Injectable } from '@nestjs/common';
import type { InstanceHealth } from '../domain/instance-health.js';
import type { InstanceEntity } from '../instances/instance.entity.js';
import { type InstanceFilter, InstanceRepository } from '../instances/instance.repository.js';
import { NOT_SEEN, type SightingsOfInstance } from '../instances/sighting-rows.js';
import { SightingRepository } from '../instances/sighting.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { ExamineInstances } from './examine-instances.js';

export interface ExaminedEntity {
  readonly instance: InstanceEntity;
  readonly health: InstanceHealth;
  /** Whether it has reported more users or seats than were bought. */
  readonly overUsed: boolean;
  readonly sightings: SightingsOfInstance;
}

/** What an operator sees of instances. */
@Injectable()
export class InstancesService {
  constructor(
    private readonly database: Database,
    private readonly instances: InstanceRepository,
    private readonly sightings: SightingRepository,
    private readonly examination: ExamineInstances,
    private readonly clock: Clock,
  ) {}

  async list(filter: InstanceFilter, page: PageRequest): Promise<Page<ExaminedEntity>> {
    const now = this.clock.now();
    const { manager } = this.database;
    const rows = await this.instances.list(manager, filter, page, now);
    const { items, nextCursor } = pageOf(rows, page);
    return { items: await this.examine(items, now), nextCursor };
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(id: string): Promise<ExaminedEntity> {
    const now = this.clock.now();
    const { manager } = this.database;
    const instance = await this.instances.get(manager, id);
    const [examined] = await this.examine([instance], now);
    if (!examined) throw new Error('an instance was not examined');
    return examined;
  }

  private async examine(
    instances: readonly InstanceEntity[],
    now: Date,
  ): Promise<ExaminedEntity[]> {
    const { manager } = this.database;
    const ids = instances.map(({ id }) => id);
    const overUsed = await this.instances.overUsed(manager, ids);
    const sightings = await this.sightings.ofInstances(manager, ids, now);
    const examined = await this.examination.examine(manager, instances, now);
    return examined.map((one) => ({
      ...one,
      overUsed: overUsed.has(one.instance.id),
      sightings: sightings.get(one.instance.id) ?? NOT_SEEN,
    }));
  }
}
