import { Injectable } from '@nestjs/common';
import {
  type EntityManager,
  type FindOptionsWhere,
  IsNull,
  LessThanOrEqual,
  MoreThan,
  Or,
} from 'typeorm';
import type { Queryable } from '../platform/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { rowsToFetch } from '../platform/paging.js';
import type { ListInstancesQuery } from './instance.dto.js';
import { InstanceEntity } from './instance.entity.js';

/** An instance as a token names it. */
export interface KnownInstance {
  readonly id: string;
  readonly instanceId: string;
  readonly uniqueInstanceId: string | null;
}

// Two first syncs at once: both get the row of whichever was faster.
const REGISTER = `
  INSERT INTO instances (id, license_id, instance_id, created_at, last_seen_at)
  VALUES ($1, $2, $3, $4, $4)
  ON CONFLICT ON CONSTRAINT instances_license_id_instance_id_key
    DO UPDATE SET last_seen_at = greatest(instances.last_seen_at, excluded.last_seen_at)
  RETURNING id, instance_id AS "instanceId", unique_instance_id AS "uniqueInstanceId"`;

@Injectable()
export class InstanceRepository {
  /** Makes the instance known to the license, once. */
  async register(
    queryable: Queryable,
    licenseId: string,
    instanceId: string,
    now: Date,
  ): Promise<KnownInstance> {
    const values = [newId(now), licenseId, instanceId, now];
    const { rows } = await queryable.query<KnownInstance>(REGISTER, values);
    const [instance] = rows;
    if (!instance) throw new Error('registering an instance returned no row');
    return instance;
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<InstanceEntity> {
    const instance = await manager.findOneBy(InstanceEntity, { id });
    if (instance) return instance;
    throw new IssuerError('NOT_FOUND', 'There is no instance with this id.');
  }

  async list(
    manager: EntityManager,
    query: ListInstancesQuery,
    now: Date,
  ): Promise<InstanceEntity[]> {
    const where: FindOptionsWhere<InstanceEntity> = {};
    if (query.license_id !== undefined) where.licenseId = query.license_id;
    if (query.instance_id !== undefined) where.instanceId = query.instance_id;
    if (query.says_too_much !== undefined) {
      where.excessUntil =
        query.says_too_much === 'true' ? MoreThan(now) : Or(IsNull(), LessThanOrEqual(now));
    }
    if (query.cursor !== undefined) where.id = MoreThan(query.cursor);
    return manager.find(InstanceEntity, { where, order: { id: 'ASC' }, take: rowsToFetch(query) });
  }
}
