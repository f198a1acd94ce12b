import { Injectable } from '@nestjs/common';
import { isInPhase } from '../add-on-purchases/purchase-phases.js';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import { type CalendarDay, dayOf } from '../domain/calendar-day.js';
import type { License, LicenseKind } from '../domain/license.js';
import type { RegisteredInstance } from '../instances/instance.repository.js';
import type { Deadline } from '../database/deadline.js';
import { Database } from '../database/database.js';
import { DatabaseMetrics } from '../database/database-metrics.js';
import { preparedStatement } from '../database/prepared-statements.js';
import { SharedBatches } from '../database/shared-batches.js';
import { tokensRevoked } from '../token-revocation/tokens-revoked.js';

/** What a license key stands for: the license, its purchases, and the instance that is asking. */
export interface FoundLicense {
  readonly license: License;
  /** The purchases that are active at the instant of the question. */
  readonly purchases: readonly AddOnPurchase[];
  /** The named instance, or the one last seen with the license when none is named. */
  readonly instance: RegisteredInstance | null;
  /** Whether none is named and more than one used the license in the last 14 days. */
  readonly isAmbiguous: boolean;
  /** Whether all tokens of the license, or of the instance, are revoked and not restored yet. */
  readonly tokensRevoked: { readonly ofLicense: boolean; readonly ofInstance: boolean };
  /** Whether the key is a previous one, in its grace. */
  readonly byPreviousKey: boolean;
}

interface Row {
  /** The number of the question that the row answers, from 1 on. */
  readonly n: number;
  readonly id: string;
  readonly plan: string;
  readonly kind: LicenseKind;
  readonly trial: boolean;
  readonly seats: number;
  readonly starts_on: string;
  readonly expires_on: string;
  readonly revoked_at: Date | null;
  readonly instance_row_id: string | null;
  readonly instance_uuid: string;
  readonly unique_instance_id: string | null;
  readonly is_ambiguous: boolean | null;
  readonly license_tokens_revoked: true | null;
  readonly instance_tokens_revoked: true | null;
  readonly purchase_id: string | null;
  readonly add_on: string;
  readonly quantity: number;
  readonly started_at: string | null;
  readonly purchase_expires_on: string;
  readonly by_previous_key: boolean;
}

/** Two at a time: one is read while the other one is on its way. */
const BATCHES = { concurrent: 2, items: 200 };

const LICENSE_COLUMNS = 'id, plan, kind, trial, seats, starts_on, expires_on, revoked_at';

/**
 * Returns one row for each purchase, and one row for a license without any. The limit stops the union
 * after a present key, so previous keys are read only when no license has the key. The subquery `given` hides
 * the lengths of the arrays. Otherwise Postgres would prefer a plan made for one key, and plan each batch
 * again. The other subqueries are lateral, so that each is a look-up in an index. Otherwise, while the
 * tables are small, the planner would join them as a whole. The instance `seen` was seen last, so one
 * other within the 14 days (336 hours: the length of a day depends on the time zone) makes it ambiguous.
 */
const LICENSE_LOOK_UP = preparedStatement(
  'license_look_up',
  `
    SELECT asked.n::int AS n, l.id, l.plan, l.kind, l.trial, l.seats, l.starts_on, l.expires_on,
           l.revoked_at, i.id AS instance_row_id, i.instance_uuid, i.unique_instance_id,
           i.is_ambiguous, l.tokens_revoked AS license_tokens_revoked, i.tokens_revoked AS instance_tokens_revoked,
           p.id AS purchase_id, p.add_on, p.quantity, p.started_at,
           p.expires_on AS purchase_expires_on, l.by_previous_key
    FROM (
      SELECT $1::bytea[] AS digests, $2::text[] AS instances, $3::date[] AS days,
             $4::timestamptz[] AS instants OFFSET 0
    ) given
    CROSS JOIN LATERAL unnest(given.digests, given.instances, given.days, given.instants)
      WITH ORDINALITY AS asked (key_digest, instance_uuid, today, at, n)
    CROSS JOIN LATERAL (
      SELECT owner.*, ${tokensRevoked('license_id', 'owner.id')} AS tokens_revoked
      FROM (
        SELECT ${LICENSE_COLUMNS}, false AS by_previous_key
        FROM licenses WHERE key_digest = asked.key_digest
        UNION ALL
        SELECT ${LICENSE_COLUMNS}, true
        FROM replaced_license_keys previous JOIN licenses ON licenses.id = previous.license_id
        WHERE previous.digest = asked.key_digest AND previous.valid_until > asked.at
        LIMIT 1
      ) owner
    ) l
    LEFT JOIN LATERAL (
      SELECT seen.*, ${tokensRevoked('instance_id', 'seen.id')} AS tokens_revoked,
             asked.instance_uuid IS NULL AND EXISTS (
               SELECT FROM instances other
               WHERE other.license_id = l.id AND other.id <> seen.id
                 AND other.last_seen_at > asked.at - interval '336 hours'
             ) AS is_ambiguous
      FROM (
        SELECT id, instance_uuid, unique_instance_id FROM instances
        WHERE license_id = l.id AND (asked.instance_uuid IS NULL OR instance_uuid = asked.instance_uuid)
        ORDER BY last_seen_at DESC LIMIT 1
      ) seen
    ) i ON true
    LEFT JOIN LATERAL (
      SELECT * FROM add_on_purchases bought
      WHERE license_id = l.id AND ${isInPhase('active', 'asked.today', 'bought')}
      OFFSET 0
    ) p ON true`,
);

interface Question {
  readonly keyDigest: Buffer;
  readonly instanceId: string | null;
  readonly today: CalendarDay;
  readonly at: Date;
}

/** Looks up license keys. Syncs that come together share one statement. */
@Injectable()
export class LicenseLookUp {
  private readonly lookUps = new SharedBatches<Question, FoundLicense | null>(
    (questions) => this.metrics.timeStatement('license_look_up', () => this.look(questions)),
    BATCHES,
  );

  constructor(
    private readonly database: Database,
    private readonly metrics: DatabaseMetrics,
  ) {}

  /** Null when no license has this key, present or previous. */
  async byKeyDigest(
    keyDigest: Buffer,
    instanceId: string | null,
    now: Date,
    deadline: Deadline,
  ): Promise<FoundLicense | null> {
    return this.lookUps.add({ keyDigest, instanceId, today: dayOf(now), at: now }, deadline);
  }

  private async look(questions: readonly Question[]): Promise<(FoundLicense | null)[]> {
    const values = [
      questions.map(({ keyDigest }) => keyDigest),
      questions.map(({ instanceId }) => instanceId),
      questions.map(({ today }) => today),
      questions.map(({ at }) => at.toISOString()),
    ];
    const rows = await this.database.prepared.run<Row>(LICENSE_LOOK_UP, values);
    const answers = questions.map((): Row[] => []);
    for (const row of rows) answers[row.n - 1]?.push(row);
    return answers.map((own) => (own[0] ? foundLicenseOf(own[0], own) : null));
  }
}

function foundLicenseOf(row: Row, rows: readonly Row[]): FoundLicense {
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
            instanceUuid: row.instance_uuid,
            uniqueInstanceId: row.unique_instance_id,
          },
    isAmbiguous: row.is_ambiguous === true,
    tokensRevoked: {
      ofLicense: row.license_tokens_revoked === true,
      ofInstance: row.instance_tokens_revoked === true,
    },
    byPreviousKey: row.by_previous_key,
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
