import {
  Check,
  Column,
  Entity,
  Exclusion,
  ForeignKey,
  Index,
  PrimaryColumn,
  VersionColumn,
} from 'typeorm';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import { LicenseEntity } from '../licenses/license.entity.js';
import { NamespaceEntity } from './namespace.entity.js';

@Entity('add_on_purchases')
@Index('add_on_purchases_license_id_idx', ['licenseId'])
@Index('add_on_purchases_namespace_id_idx', ['namespaceId'])
@Check('add_on_purchases_owner_check', 'num_nonnulls(license_id, namespace_id) = 1')
@Check('add_on_purchases_quantity_check', 'quantity >= 1')
@Check('add_on_purchases_expires_on_check', 'expires_on >= started_at')
@Check('add_on_purchases_add_on_check', `add_on <> 'code_suggestions'`)
@Check('add_on_purchases_assigned_seats_check', 'assigned_seats BETWEEN 0 AND quantity')
@Check(
  'add_on_purchases_seat_add_on_check',
  `assigned_seats = 0 OR add_on IN ('duo_pro', 'duo_enterprise')`,
)
@Exclusion(
  'add_on_purchases_overlap_excl',
  `USING gist (license_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&) WHERE (voided_at IS NULL)`,
)
@Exclusion(
  'add_on_purchases_namespace_overlap_excl',
  `USING gist (namespace_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&) WHERE (voided_at IS NULL)`,
)
export class AddOnPurchaseEntity implements AddOnPurchase {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'add_on_purchases_pkey' })
  id!: string;

  /** Null for the purchase of a namespace. */
  @Column('uuid', { name: 'license_id', nullable: true })
  @ForeignKey(() => LicenseEntity, { name: 'add_on_purchases_license_id_fkey' })
  licenseId!: string | null;

  /** Null for the purchase of a license. */
  @Column('text', { name: 'namespace_id', nullable: true })
  @ForeignKey(() => NamespaceEntity, { name: 'add_on_purchases_namespace_id_fkey' })
  namespaceId!: string | null;

  @Column('text', { name: 'add_on' })
  addOn!: string;

  @Column('integer')
  quantity!: number;

  @Column('date', { name: 'started_at', nullable: true })
  startedAt!: string | null;

  @Column('date', { name: 'expires_on' })
  expiresOn!: string;

  /** The seller's own number of the purchase. */
  @Column('text', { name: 'purchase_xid', nullable: true })
  purchaseXid!: string | null;

  @Column('boolean')
  trial!: boolean;

  @Column('timestamptz', { name: 'voided_at', nullable: true })
  voidedAt!: Date | null;

  /** How many seats users hold. Only a trigger writes it. */
  @Column({ type: 'integer', name: 'assigned_seats', default: 0, insert: false, update: false })
  assignedSeats!: number;

  @VersionColumn()
  version!: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;
}
