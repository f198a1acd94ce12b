import { Injectable } from '@nestjs/common';
import {
  type EntityManager,
  type FindOptionsWhere,
  IsNull,
  LessThanOrEqual,
  MoreThan,
  Or,
} from 'typeorm';
import type { Queryable } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import { type AddOnMetric, InstanceEntity } from './instance.entity.js';

/** An instance as a token names it. */
export interface RegisteredInstance {
  readonly id: string;
  readonly instanceUuid: string;
  readonly uniqueInstanceId: string | null;
}

/** What an instance reports about itself beside its UUID; null where it reports nothing. */
export interface ReportedInstance {
  readonly uniqueInstanceId: string | null;
  readonly hostName: string | null;
  readonly gitlabVersion: string | null;
}

/** What an instance reports of its users and of the seats of its add-ons. */
export interface SeatReport {
  /** When it counted. */
  readonly reportedAt: Date;
  readonly billableUsers: number | null;
  readonly maxHistoricalUsers: number | null;
  readonly addOnMetrics: readonly AddOnMetric[] | null;
}

/** Which instances a list has; null filters nothing. */
export interface InstanceFilter {
  readonly licenseId: string | null;
  readonly instanceUuid: string | null;
  readonly excessScopes: boolean | null;
  readonly seatsExceeded: boolean | null;
  readonly suspicious: boolean | null;
}

export interface SharedLicense {
  readonly licenseId: string;
  readonly instances: number;
}

// Two first syncs at once get the same row.
const REGISTER = `
  INSERT INTO instances (id, license_id, instance_uuid, created_at, last_seen_at)
  VALUES ($1, $2, $3, $4, $4)
  ON CONFLICT ON CONSTRAINT instances_license_id_instance_uuid_key
    DO UPDATE SET last_seen_at = greatest(instances.last_seen_at, excluded.last_seen_at)
  RETURNING id, instance_uuid AS "instanceUuid", unique_instance_id AS "uniqueInstanceId"`;

const INSERT = `
  INSERT INTO instances (id, license_id, instance_uuid, unique_instance_id, host_name, gitlab_version,
                         created_at, last_seen_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
  ON CONFLICT ON CONSTRAINT instances_license_id_instance_uuid_key`;

// The first unique id stays: tokens name it, and the audit of the ledger compares them with it.
const MEET = `
  ${INSERT} DO UPDATE SET
    last_seen_at = greatest(instances.last_seen_at, excluded.last_seen_at),
    unique_instance_id = coalesce(instances.unique_instance_id, excluded.unique_instance_id),
    host_name = coalesce(excluded.host_name, instances.host_name),
    gitlab_version = coalesce(excluded.gitlab_version, instances.gitlab_version)
  RETURNING id`;

// An instance retries a report for two days, so an old one may come after a newer one.
const RECORD_SEATS = `
  UPDATE instances SET last_seat_link_at = greatest(last_seat_link_at, $2),
    seats_reported_at = CASE WHEN newer THEN $3 ELSE seats_reported_at END,
    billable_users = CASE WHEN newer THEN $4 ELSE billable_users END,
    max_historical_users = CASE WHEN newer THEN $5 ELSE max_historical_users END,
    add_on_metrics = CASE WHEN newer THEN $6::jsonb ELSE add_on_metrics END
  FROM (SELECT id AS reporting, seats_reported_at IS NULL OR seats_reported_at <= $3 AS newer
        FROM instances WHERE id = $1) report
  WHERE id = reporting`;

/** Whether an instance has reported more users, or more seats of an add-on, than were bought. */
const SEATS_EXCEEDED = `(
  coalesce(instance.billable_users > (
    SELECT seats FROM licenses WHERE licenses.id = instance.license_id), false)
  OR EXISTS (
    SELECT FROM jsonb_to_recordset(instance.add_on_metrics)
      AS metric (purchased_seats integer, assigned_seats integer)
    WHERE assigned_seats > purchased_seats))`;

/** Whether an instance was suspicious when its sightings were last written. */
const SUSPICIOUS = `EXISTS (
  SELECT FROM instance_sightings
  WHERE instance_sightings.instance_id = instance.id AND suspicious_until > :now)`;

@Injectable()
export class InstanceRepository {
  /** Registers the instance with the license, once. */
  async register(
    queryable: Queryable,
    licenseId: string,
    instanceId: string,
    now: Date,
  ): Promise<RegisteredInstance> {
    const values = [newId(now), licenseId, instanceId, now];
    const { rows } = await queryable.query<RegisteredInstance>(REGISTER, values);
    const [instance] = rows;
    if (!instance) throw new Error('registering an instance returned no row');
    return instance;
  }

  /** Records what an instance reports about itself. Registers it with the license first if need be. */
  async meet(
    manager: EntityManager,
    licenseId: string,
    instanceId: string,
    reported: ReportedInstance,
    now: Date,
  ): Promise<{ readonly id: string }> {
    const values = insertValues(licenseId, instanceId, reported, now);
    const [met] = await manager.query<{ id: string }[]>(MEET, values);
    if (!met) throw new Error('meeting an instance returned no row');
    return met;
  }

  /**
   * Registers the instance with a license that it is about to use, unless it is known there. Locks no
   * row that exists: the transaction may hold the row of the instance with another license.
   */
  async introduce(
    manager: EntityManager,
    licenseId: string,
    instanceId: string,
    reported: ReportedInstance,
    now: Date,
  ): Promise<void> {
    const values = insertValues(licenseId, instanceId, reported, now);
    await manager.query(`${INSERT} DO NOTHING`, values);
  }

  /** Keeps the newest report. */
  async recordSeats(
    manager: EntityManager,
    id: string,
    report: SeatReport,
    now: Date,
  ): Promise<void> {
    const metrics = report.addOnMetrics === null ? null : JSON.stringify(report.addOnMetrics);
    await manager.query(RECORD_SEATS, [
      id,
      now,
      report.reportedAt,
      report.billableUsers,
      report.maxHistoricalUsers,
      metrics,
    ]);
  }

  /** Which of these instances have reported more than was bought. */
  async seatsExceeded(
    manager: EntityManager,
    ids: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const rows = await manager.query<{ id: string }[]>(
      `SELECT id FROM instances instance WHERE id = ANY($1) AND ${SEATS_EXCEEDED}`,
      [ids],
    );
    return new Set(rows.map(({ id }) => id));
  }

  async countSeatsExceeded(manager: EntityManager): Promise<number> {
    const [row] = await manager.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM instances instance
       WHERE last_seat_link_at IS NOT NULL AND ${SEATS_EXCEEDED}`,
    );
    return row?.count ?? 0;
  }

  /** The 20 licenses with the most instances that were seen since then, the most first. */
  async mostShared(manager: EntityManager, since: Date): Promise<SharedLicense[]> {
    return manager.query<SharedLicense[]>(
      `SELECT license_id AS "licenseId", count(*)::int AS instances FROM instances
       WHERE last_seen_at >= $1 GROUP BY license_id ORDER BY instances DESC, license_id LIMIT 20`,
      [since],
    );
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<InstanceEntity> {
    const instance = await manager.findOneBy(InstanceEntity, { id });
    if (instance) return instance;
    throw new IssuerError('NOT_FOUND', 'There is no instance with this id.');
  }

  async list(
    manager: EntityManager,
    filter: InstanceFilter,
    page: PageRequest,
    now: Date,
  ): Promise<InstanceEntity[]> {
    const { licenseId, instanceUuid, excessScopes, seatsExceeded, suspicious } = filter;
    const where: FindOptionsWhere<InstanceEntity> = {};
    if (licenseId !== null) where.licenseId = licenseId;
    if (instanceUuid !== null) where.instanceUuid = instanceUuid;
    if (excessScopes !== null) {
      where.excessScopesUntil = excessScopes ? MoreThan(now) : Or(IsNull(), LessThanOrEqual(now));
    }
    if (page.after !== null) where.id = MoreThan(page.after);
    const found = manager.createQueryBuilder(InstanceEntity, 'instance').where(where);
    // The condition on the seat link is that of the partial index.
    if (seatsExceeded === true) {
      found.andWhere(`instance.last_seat_link_at IS NOT NULL AND ${SEATS_EXCEEDED}`);
    }
    if (seatsExceeded === false) found.andWhere(`NOT ${SEATS_EXCEEDED}`);
    if (suspicious !== null) found.andWhere(suspicious ? SUSPICIOUS : `NOT ${SUSPICIOUS}`, { now });
    return found.orderBy('instance.id').take(rowsToFetch(page)).getMany();
  }
}

function insertValues(
  licenseId: string,
  instanceId: string,
  { uniqueInstanceId, hostName, gitlabVersion }: ReportedInstance,
  now: Date,
): unknown[] {
  return [newId(now), licenseId, instanceId, uniqueInstanceId, hostName, gitlabVersion, now];
}
