import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { LicenseEntity } from '../licenses/license.entity.js';

/** Seats of an add-on as an instance counts them. */
export interface AddOnMetric {
  readonly add_on_type: string;
  readonly purchased_seats: number;
  readonly assigned_seats: number;
}

@Entity('instances')
@Check(
  'instances_token_check',
  `(token_jti IS NULL) = (token_expires_at IS NULL)
          AND (token_jti IS NULL) = (token_scope_set_digest IS NULL)`,
)
@Check(
  'instances_excess_scopes_check',
  `(excess_scopes IS NULL) = (excess_scopes_until IS NULL) AND cardinality(excess_scopes) > 0`,
)
@Check(
  'instances_seat_link_check',
  `last_seat_link_at IS NOT NULL OR (seats_reported_at IS NULL
            AND billable_users IS NULL AND max_historical_users IS NULL AND add_on_metrics IS NULL)`,
)
@Check('instances_users_check', 'billable_users >= 0 AND max_historical_users >= 0')
@Index('instances_seat_link_idx', ['id'], { where: 'last_seat_link_at IS NOT NULL' })
@Index('instances_excess_scopes_until_idx', ['id'], { where: 'excess_scopes_until IS NOT NULL' })
@Unique('instances_license_id_instance_uuid_key', ['licenseId', 'instanceUuid'])
export class InstanceEntity {
  /** Also the `gitlab_instance_uid` of an instance that has not reported its own. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'instances_pkey' })
  id!: string;

  @Column('uuid', { name: 'license_id' })
  @ForeignKey(() => LicenseEntity, { name: 'instances_license_id_fkey' })
  licenseId!: string;

  /** The instance UUID, byte for byte as the instance sends it. */
  @Column('text', { name: 'instance_uuid' })
  instanceUuid!: string;

  @Column('text', { name: 'unique_instance_id', nullable: true })
  uniqueInstanceId!: string | null;

  @Column('text', { name: 'host_name', nullable: true })
  hostName!: string | null;

  @Column('text', { name: 'gitlab_version', nullable: true })
  gitlabVersion!: string | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'last_seen_at' })
  lastSeenAt!: Date;

  @Column('timestamptz', { name: 'last_sync_at', nullable: true })
  lastSyncAt!: Date | null;

  /** The last token that was handed out to it. */
  @Column('uuid', { name: 'token_jti', nullable: true })
  tokenJti!: string | null;

  @Column('timestamptz', { name: 'token_expires_at', nullable: true })
  tokenExpiresAt!: Date | null;

  @Column('bytea', { name: 'token_scope_set_digest', nullable: true })
  tokenScopeSetDigest!: Buffer | null;

  /** The excess scopes of its live tokens at the last sweep; null if there are none. */
  @Column('text', { name: 'excess_scopes', array: true, nullable: true })
  excessScopes!: string[] | null;

  /** When the last of those tokens expires. */
  @Column('timestamptz', { name: 'excess_scopes_until', nullable: true })
  excessScopesUntil!: Date | null;

  @Column('timestamptz', { name: 'last_seat_link_at', nullable: true })
  lastSeatLinkAt!: Date | null;

  /** When the instance made the counts of its newest seat link. */
  @Column('timestamptz', { name: 'seats_reported_at', nullable: true })
  seatsReportedAt!: Date | null;

  @Column('integer', { name: 'billable_users', nullable: true })
  billableUsers!: number | null;

  @Column('integer', { name: 'max_historical_users', nullable: true })
  maxHistoricalUsers!: number | null;

  @Column('jsonb', { name: 'add_on_metrics', nullable: true })
  addOnMetrics!: AddOnMetric[] | null;
}
