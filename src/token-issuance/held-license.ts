import { Injectable } from '@nestjs/common';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import type { License, LicenseKind } from '../domain/license.js';
import type { KnownInstance } from '../instances/instance.repository.js';
import type { Queryable } from '../platform/database.js';

/** What a sync needs to know: the license, what runs on it, and which instance is asking. */
export interface HeldLicense {
  readonly license: License;
  /** The purchases that are active at the asked instant. */
  readonly purchases: readonly AddOnPurchase[];
  /** The named instance, or the one last seen with the license when none is named. */
  readonly instance: KnownInstance | null;
}

interface Row {
  readonly id: string;
  readonly plan: string;
  readonly kind: LicenseKind;
  readonly trial: boolean;
  readonly seats: number;
  readonly starts_on: string;
  readonly expires_on: string;
  readonly revoked_at: Date | null;
  readonly instance_row_id: string | null;
  readonly instance_id: string;
  readonly unique_instance_id: string | null;
  readonly purchase_id: string | null;
  readonly add_on: string;
  readonly quantity: number;
  readonly started_at: string | null;
  readonly purchase_expires_on: string;
}

/** One row a purchase, or one without. Named: prepared once a connection. */
const HELD_LICENSE = {
  name: 'held-license',
  text: `
    SELECT l.id, l.plan, l.kind, l.trial, l.seats, l.starts_on, l.expires_on, l.revoked_at,
           i.id AS instance_row_id, i.instance_id, i.unique_instance_id,
           p.id AS purchase_id, p.add_on, p.quantity, p.started_at,
           p.expires_on AS purchase_expires_on
    FROM licenses l
    LEFT JOIN LATERAL (
      SELECT id, instance_id, unique_instance_id FROM instances
      WHERE license_id = l.id AND ($2::text IS NULL OR instance_id = $2)
      ORDER BY last_seen_at DESC LIMIT 1
    ) i ON true
    LEFT JOIN add_on_purchases p ON p.license_id = l.id AND p.voided_at IS NULL
      AND p.expires_on > $3::date AND (p.started_at IS NULL OR p.started_at <= $3::date)
    WHERE l.key_digest = $1`,
};

@Injectable()
export class HeldLicenses {
  /** Null when no license has this key. */
  async byKeyDigest(
    queryable: Queryable,
    keyDigest: Buffer,
    instanceId: string | null,
    now: Date,
  ): Promise<HeldLicense | null> {
    const values = [keyDigest, instanceId, dayOf(now)];
    const { rows } = await queryable.query<Row>({ ...HELD_LICENSE, values });
    const [first] = rows;
    return first ? heldLicenseOf(first, rows) : null;
  }
}

function heldLicenseOf(row: Row, rows: readonly Row[]): HeldLicense {
  return {
    license: {
      id: row.id,
      plan: row.plan,
      kind: row.kind,
      trial: row.trial,
      seats: row.seats,
      startsOn: row.starts_on,
      expiresOn: row.expires_on,
      revokedAt: row.revoked_at,
    },
    purchases: rows.flatMap(purchaseOf),
    instance:
      row.instance_row_id === null
        ? null
        : {
            id: row.instance_row_id,
            instanceId: row.instance_id,
            uniqueInstanceId: row.unique_instance_id,
          },
  };
}

function purchaseOf(row: Row): AddOnPurchase[] {
  if (row.purchase_id === null) return [];
  return [
    {
      id: row.purchase_id,
      addOn: row.add_on,
      quantity: row.quantity,
      startedAt: row.started_at,
      expiresOn: row.purchase_expires_on,
      voidedAt: null,
    },
  ];
}
