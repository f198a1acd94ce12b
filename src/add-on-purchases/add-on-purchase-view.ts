import { ApiProperty } from '@nestjs/swagger';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';

/** A purchase as the admin API shows it. */
export class AddOnPurchaseView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Null for the purchase of a namespace',
  })
  license_id!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'Null for the purchase of a license' })
  namespace_id!: string | null;
  @ApiProperty() add_on!: string;
  @ApiProperty({ type: 'integer' }) quantity!: number;
  @ApiProperty({ type: 'integer', description: 'How many seats users hold' })
  assigned_seats!: number;
  @ApiProperty({ type: String, format: 'date', nullable: true }) started_at!: string | null;
  @ApiProperty({ format: 'date' }) expires_on!: string;
  @ApiProperty({ type: String, nullable: true }) purchase_xid!: string | null;
  @ApiProperty() trial!: boolean;
  @ApiProperty({
    type: Date,
    nullable: true,
    description: 'When it was called off before its first day',
  })
  voided_at!: Date | null;
  @ApiProperty({ type: Date }) created_at!: Date;
  @ApiProperty({ type: Date }) updated_at!: Date;
}

export class AddOnPurchasePage {
  @ApiProperty({ type: [AddOnPurchaseView] }) items!: AddOnPurchaseView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function addOnPurchaseView(purchase: AddOnPurchaseEntity): AddOnPurchaseView {
  return {
    id: purchase.id,
    license_id: purchase.licenseId,
    namespace_id: purchase.namespaceId,
    add_on: purchase.addOn,
    quantity: purchase.quantity,
    assigned_seats: purchase.assignedSeats,
    started_at: purchase.startedAt,
    expires_on: purchase.expiresOn,
    purchase_xid: purchase.purchaseXid,
    trial: purchase.trial,
    voided_at: purchase.voidedAt,
    created_at: purchase.createdAt,
    updated_at: purchase.updatedAt,
  };
}
