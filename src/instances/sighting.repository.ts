import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SIGHTINGS_KEPT_MS, withSightings } from '../domain/sightings.js';
import {
  type Suspicion,
  type SuspicionReason,
  suspicionsOf,
  suspiciousUntil,
} from '../domain/suspicions.js';
import type { SeenInstance } from './sighting-counts.js';
import {
  type AbsurdSeatLink,
  type InstanceSightingsRow,
  licenseUseOf,
  type LicenseUseRow,
  type SightingsOfInstance,
  sightingsOf,
} from './sighting-rows.js';

/** A suspicion that was not there before. */
export interface NewSuspicion {
  /** The row of the instance. */
  readonly instance: string;
  readonly licenseId: string;
  readonly suspicion: Suspicion;
}

interface JudgedRow extends InstanceSightingsRow, LicenseUseRow {
  readonly instanceUuid: string;
  readonly otherLicenses: readonly LicenseUseRow[];
}

const LICENSE_USE = (instance: string, license: string) => `
  'licenseId', ${license}.id, 'customerRef', ${license}.customer_ref,
  'renewsLicenseId', ${license}.renews_license_id,
  'expiresOn', ${license}.expires_on, 'revokedAt', ${license}.revoked_at,
  'firstSeenAt', ${instance}.created_at, 'lastSeenAt', ${instance}.last_seen_at`;

// A denied request may name an instance that is not registered; it has no row.
const NOTED = `
  FROM unnest($1::uuid[], $2::text[]) AS noted (license_id, instance_uuid)
  JOIN instances i ON i.license_id = noted.license_id AND i.instance_uuid = noted.instance_uuid`;

const MAKE_ROWS = `
  INSERT INTO instance_sightings (instance_id, instance_uuid, last_seen_at)
  SELECT i.id, i.instance_uuid, $3 ${NOTED}
  ON CONFLICT ON CONSTRAINT instance_sightings_pkey DO NOTHING`;

const ROWS_TO_JUDGE = `
  SELECT s.instance_id AS "instanceId", s.instance_uuid AS "instanceUuid", s.networks,
    s.host_names AS "hostNames", s.absurd_seat_link AS "absurdSeatLink", s.suspicions,
    use.*, coalesce(others.uses, '[]') AS "otherLicenses"
  ${NOTED}
  JOIN instance_sightings s ON s.instance_id = i.id
  JOIN licenses l ON l.id = i.license_id
  CROSS JOIN LATERAL jsonb_to_record(jsonb_build_object(${LICENSE_USE('i', 'l')})) AS use (
    "licenseId" text, "customerRef" text, "renewsLicenseId" text, "expiresOn" text,
    "revokedAt" text, "firstSeenAt" text, "lastSeenAt" text)
  CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(${LICENSE_USE('other', 'license')})) AS uses
    FROM (
      SELECT instances.* FROM instance_sightings same
      JOIN instances ON instances.id = same.instance_id
      WHERE same.instance_uuid = s.instance_uuid AND same.instance_id <> s.instance_id
        AND instances.last_seen_at > $3
      ORDER BY instances.last_seen_at DESC LIMIT 10
    ) other JOIN licenses license ON license.id = other.license_id
  ) others`;

const WRITE = `
  UPDATE instance_sightings AS kept SET last_seen_at = greatest(kept.last_seen_at, $2),
    networks = given.networks, host_names = given.host_names, suspicions = given.suspicions,
    suspicious_until = given.suspicious_until
  FROM jsonb_to_recordset($1) AS given (instance_id uuid, networks jsonb, host_names jsonb,
    suspicions jsonb, suspicious_until timestamptz)
  WHERE kept.instance_id = given.instance_id`;

const KEEP_ABSURD = `
  INSERT INTO instance_sightings AS kept
    (instance_id, instance_uuid, last_seen_at, absurd_seat_link)
  VALUES ($1, $2, $3, $4)
  ON CONFLICT ON CONSTRAINT instance_sightings_pkey DO UPDATE SET
    last_seen_at = greatest(kept.last_seen_at, excluded.last_seen_at),
    absurd_seat_link = excluded.absurd_seat_link`;

const OF_INSTANCES = `
  SELECT instance_id AS "instanceId", networks, host_names AS "hostNames",
    absurd_seat_link AS "absurdSeatLink", suspicions
  FROM instance_sightings WHERE instance_id = ANY ($1)`;

const COUNT_SUSPICIOUS = `
  SELECT suspicion.reason, count(*)::int AS instances
  FROM instance_sightings
  CROSS JOIN jsonb_to_recordset(suspicions) AS suspicion (reason text, "lastAt" timestamptz)
  WHERE suspicious_until > $1 AND suspicion."lastAt" > $2 GROUP BY suspicion.reason`;

/** Stores where instances were seen, and what is suspicious about it. */
@Injectable()
export class SightingRepository {
  /**
   * Adds sightings and judges each of their instances again. Call it within a transaction.
   * @returns the suspicions that were not there before
   */
  async add(
    manager: EntityManager,
    seen: readonly SeenInstance[],
    now: Date,
  ): Promise<readonly NewSuspicion[]> {
    await takeTurn(manager);
    const noted = [
      seen.map(({ licenseId }) => licenseId),
      seen.map(({ instanceId }) => instanceId),
    ];
    await manager.query(MAKE_ROWS, [...noted, now]);
    const rows = await manager.query<JudgedRow[]>(ROWS_TO_JUDGE, [...noted, keptSince(now)]);
    const byInstance = new Map(seen.map((one) => [nameOf(one.licenseId, one.instanceId), one]));
    const judged = rows.flatMap((row) => {
      const one = byInstance.get(nameOf(row.licenseId, row.instanceUuid));
      return one ? [judge(row, one, now)] : [];
    });
    await manager.query(WRITE, [JSON.stringify(judged.map(({ written }) => written)), now]);
    return judged.flatMap(({ findings }) => findings);
  }

  /** Replaces the one before. */
  async keepAbsurdSeatLink(
    manager: EntityManager,
    id: string,
    instanceUuid: string,
    seatLink: AbsurdSeatLink,
  ): Promise<void> {
    const values = [id, instanceUuid, seatLink.receivedAt, JSON.stringify(seatLink)];
    await manager.query(KEEP_ABSURD, values);
  }

  /** The sightings of these instances as of `now`. An instance without a row is not in the answer. */
  async ofInstances(
    manager: EntityManager,
    ids: readonly string[],
    now: Date,
  ): Promise<ReadonlyMap<string, SightingsOfInstance>> {
    const rows = await manager.query<InstanceSightingsRow[]>(OF_INSTANCES, [ids]);
    return new Map(rows.map((row) => [row.instanceId, sightingsOf(row, now)]));
  }

  async countSuspicious(
    manager: EntityManager,
    now: Date,
  ): Promise<ReadonlyMap<SuspicionReason, number>> {
    const rows = await manager.query<{ reason: SuspicionReason; instances: number }[]>(
      COUNT_SUSPICIOUS,
      [now, keptSince(now)],
    );
    return new Map(rows.map(({ reason, instances }) => [reason, instances]));
  }

  /** Call it within a transaction. */
  async forgetOld(manager: EntityManager, now: Date): Promise<void> {
    await takeTurn(manager);
    await manager.query(`DELETE FROM instance_sightings WHERE last_seen_at <= $1`, [
      keptSince(now),
    ]);
  }
}

/** Replicas take turns, for each reads what is kept, adds to it and writes it. */
async function takeTurn(manager: EntityManager): Promise<void> {
  await manager.query(`SELECT pg_advisory_xact_lock(hashtext('instance_sightings'))`);
}

function judge(row: JudgedRow, seen: SeenInstance, now: Date) {
  const kept = sightingsOf(row, now);
  const networks = withSightings(kept.networks, seen.networks, now);
  const hostNames = withSightings(kept.hostNames, seen.hostNames, now);
  const use = {
    networks,
    hostNames,
    license: licenseUseOf(row),
    otherLicenses: row.otherLicenses.map(licenseUseOf),
    absurdSeatLinkAt: kept.absurdSeatLink?.receivedAt ?? null,
  };
  const suspicions = suspicionsOf(use, kept.suspicions, now);
  const reasonsBefore = new Set(kept.suspicions.map(({ reason }) => reason));
  const until = suspicions.map((suspicion) => suspiciousUntil(suspicion).getTime());
  return {
    written: {
      instance_id: row.instanceId,
      networks,
      host_names: hostNames,
      suspicions,
      suspicious_until: until.length === 0 ? null : new Date(Math.max(...until)),
    },
    findings: suspicions
      .filter(({ reason }) => !reasonsBefore.has(reason))
      .map((suspicion) => ({ instance: row.instanceId, licenseId: row.licenseId, suspicion })),
  };
}

function keptSince(now: Date): Date {
  return new Date(now.getTime() - SIGHTINGS_KEPT_MS);
}

/** A license id has no space, so two pairs never have the same name. */
function nameOf(licenseId: string, instanceUuid: string): string {
  return `${licenseId} ${instanceUuid}`;
}
