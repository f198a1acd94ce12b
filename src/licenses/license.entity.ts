import {
  Check,
  Column,
  Entity,
  ForeignKey,
  Index,
  PrimaryColumn,
  Unique,
  VersionColumn,
} from 'typeorm';
import type { License, LicenseKind } from '../domain/license.js';

@Entity('licenses')
@Unique('licenses_key_digest_key', ['keyDigest'])
@Unique('licenses_renews_license_id_key', ['renewsLicenseId'])
@Check('licenses_key_digest_check', 'octet_length(key_digest) = 32')
@Check('licenses_kind_check', `kind IN ('online_cloud', 'offline_cloud', 'legacy')`)
@Check('licenses_seats_check', 'seats >= 1')
@Check('licenses_expires_on_check', 'expires_on > starts_on')
@Check('licenses_revocation_reason_check', 'revocation_reason IS NULL OR revoked_at IS NOT NULL')
@Check(
  'licenses_key_replaced_at_check',
  `(key_replaced_at IS NULL) = (previous_key_valid_until IS NULL)
          AND previous_key_valid_until >= key_replaced_at`,
)
@Index('licenses_customer_ref_idx', ['customerRef'], { where: 'customer_ref IS NOT NULL' })
export class LicenseEntity implements License {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'licenses_pkey' })
  id!: string;

  @Column('text')
  plan!: string;

  @Column('text')
  kind!: LicenseKind;

  @Column('boolean')
  trial!: boolean;

  @Column('integer')
  seats!: number;

  @Column('date', { name: 'starts_on' })
  startsOn!: string;

  @Column('date', { name: 'expires_on' })
  expiresOn!: string;

  @Column('text', { name: 'licensee_name', nullable: true })
  licenseeName!: string | null;

  @Column('text', { name: 'licensee_email', nullable: true })
  licenseeEmail!: string | null;

  @Column('text', { name: 'licensee_company', nullable: true })
  licenseeCompany!: string | null;

  /** The operator's own id of the customer. */
  @Column('text', { name: 'customer_ref', nullable: true })
  customerRef!: string | null;

  /** The license that this one renews. */
  @Column('uuid', { name: 'renews_license_id', nullable: true })
  @ForeignKey(() => LicenseEntity, { name: 'licenses_renews_license_id_fkey' })
  renewsLicenseId!: string | null;

  /** SHA-256 of the normalised key. */
  @Column('bytea', { name: 'key_digest' })
  keyDigest!: Buffer;

  /** The key itself, sealed with `licenses:<id>` as its owner. Lists do not read it. */
  @Column('bytea', { name: 'sealed_key', select: false })
  sealedKey!: Buffer;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;

  @Column('text', { name: 'revocation_reason', nullable: true })
  revocationReason!: string | null;

  @VersionColumn()
  version!: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;

  /** When it got its present key; null if that is its first key. */
  @Column('timestamptz', { name: 'key_replaced_at', nullable: true })
  keyReplacedAt!: Date | null;

  /** When the last of its previous keys stops working, or stopped; null if it has its first key. */
  @Column('timestamptz', { name: 'previous_key_valid_until', nullable: true })
  previousKeyValidUntil!: Date | null;
}
