import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { LICENSE_KINDS, type LicenseKind } from '../domain/license.js';
import { LicenseeBody } from './license.dto.js';
import type { LicenseEntity } from './license.entity.js';

/** A license as the admin API shows it. The key is shown only when it was generated, this once. */
export class LicenseView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiPropertyOptional({ description: 'Shown only when it was generated, this once' })
  license_key?: string;
  @ApiProperty() plan!: string;
  @ApiProperty({ enum: LICENSE_KINDS }) kind!: LicenseKind;
  @ApiProperty() trial!: boolean;
  @ApiProperty({ type: 'integer' }) seats!: number;
  @ApiProperty({ format: 'date' }) starts_on!: string;
  @ApiProperty({ format: 'date' }) expires_on!: string;
  @ApiProperty({ type: LicenseeBody }) licensee!: LicenseeBody;
  @ApiProperty({ type: String, nullable: true }) customer_ref!: string | null;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The license that this one renews',
  })
  renews_license_id!: string | null;
  @ApiProperty({ type: Date, nullable: true }) revoked_at!: Date | null;
  @ApiProperty({ type: String, nullable: true }) revocation_reason!: string | null;
  @ApiProperty({ type: Date }) created_at!: Date;
  @ApiProperty({ type: Date }) updated_at!: Date;

  @ApiProperty({
    type: Date,
    nullable: true,
    description: 'When it got its present key; null if that is its first key',
  })
  key_replaced_at!: Date | null;

  @ApiProperty({
    type: Date,
    nullable: true,
    description: 'When the last of its previous keys stops working, or stopped',
  })
  previous_key_valid_until!: Date | null;
}

export class LicensePage {
  @ApiProperty({ type: [LicenseView] }) items!: LicenseView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function licenseView(
  license: LicenseEntity,
  generatedKey: string | null = null,
): LicenseView {
  return {
    id: license.id,
    ...(generatedKey === null ? {} : { license_key: generatedKey }),
    plan: license.plan,
    kind: license.kind,
    trial: license.trial,
    seats: license.seats,
    starts_on: license.startsOn,
    expires_on: license.expiresOn,
    licensee: {
      name: license.licenseeName,
      email: license.licenseeEmail,
      company: license.licenseeCompany,
    },
    customer_ref: license.customerRef,
    renews_license_id: license.renewsLicenseId,
    revoked_at: license.revokedAt,
    revocation_reason: license.revocationReason,
    created_at: license.createdAt,
    updated_at: license.updatedAt,
    key_replaced_at: license.keyReplacedAt,
    previous_key_valid_until: license.previousKeyValidUntil,
  };
}
