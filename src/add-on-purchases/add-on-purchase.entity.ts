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

@Entity('add_on_purchases')
@Index('add_on_purchases_license_id_idx', ['licenseId'])
@Check('add_on_purchases_quantity_check', 'quantity >= 1')
@Check('add_on_purchases_expires_on_check', 'expires_on >= started_at')
@Check('add_on_purchases_add_on_check', `add_on <> 'code_suggestions'`)
@Exclusion(
  'add_on_purchases_overlap_excl',
  `USING gist (license_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&) WHERE (voided_at IS NULL)`,
)
export class AddOnPurchaseEntity implements AddOnPurchase {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'add_on_purchases_pkey' })
  id!: string;

  @Column('uuid', { name: 'license_id' })
  @ForeignKey(() => LicenseEntity, { name: 'add_on_purchases_license_id_fkey' })
  licenseId!: string;

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

  @VersionColumn()
  version!: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;
}
