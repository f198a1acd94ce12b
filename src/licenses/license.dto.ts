import { ApiProperty, ApiPropertyOptional, OmitType, PartialType, PickType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsObject, ValidateNested } from 'class-validator';
import { LICENSE_KINDS, type LicenseKind } from '../domain/license.js';
import { PageQuery } from '../http/paging.js';
import {
  type Flag,
  flagOf,
  FlagParameter,
  IsCount,
  IsDay,
  IsEmailAddress,
  IsText,
  IsTextOfLines,
  IsUuid,
  IsWholeNumber,
  MAX_INTEGER,
  MayBeAbsent,
  MayBeNull,
} from '../http/validators.js';
import type { LicenseFilter } from './license.repository.js';
import { MAX_LICENSE_KEY_LENGTH, MIN_LICENSE_KEY_LENGTH } from './license-key.js';

export class LicenseeBody {
  @ApiPropertyOptional({ type: String, nullable: true })
  @MayBeNull()
  @IsText()
  name?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  @MayBeNull()
  @IsEmailAddress()
  email?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  @MayBeNull()
  @IsText()
  company?: string | null;
}

export class CreateLicenseBody {
  @ApiPropertyOptional({
    description: 'A key to register; if absent, one is generated and shown once',
  })
  @MayBeAbsent()
  @IsTextOfLines(MIN_LICENSE_KEY_LENGTH, MAX_LICENSE_KEY_LENGTH)
  license_key?: string;

  @ApiProperty({ description: "One of the catalog's license types", example: 'ultimate' })
  @IsText()
  plan!: string;

  @ApiProperty({ enum: LICENSE_KINDS })
  @IsIn(LICENSE_KINDS, { message: `must be one of ${LICENSE_KINDS.join(', ')}` })
  kind!: LicenseKind;

  @ApiPropertyOptional({ default: false })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  trial?: boolean;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: MAX_INTEGER })
  @IsCount()
  seats!: number;

  @ApiProperty({ format: 'date', example: '2026-01-01' })
  @IsDay()
  starts_on!: string;

  @ApiProperty({ format: 'date', description: 'The first day after it has ended' })
  @IsDay()
  expires_on!: string;

  @ApiPropertyOptional({ type: LicenseeBody })
  @MayBeAbsent()
  @IsObject({ message: 'must be an object' })
  @ValidateNested()
  @Type(() => LicenseeBody)
  licensee?: LicenseeBody;

  @ApiPropertyOptional({ type: String, nullable: true, description: "The operator's own id" })
  @MayBeNull()
  @IsText()
  customer_ref?: string | null;

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      'The license that this one renews. Once this one has started, seat links of that one get its key',
  })
  @MayBeNull()
  @IsUuid('the id of the license that is renewed')
  renews_license_id?: string | null;
}

/** A license gets another key by `replace_key`, not by this. */
export class UpdateLicenseBody extends PartialType(OmitType(CreateLicenseBody, ['license_key']), {
  skipNullProperties: false,
}) {}

export class RevokeLicenseBody {
  @ApiPropertyOptional({ description: 'Kept with the license', example: 'refunded' })
  @MayBeAbsent()
  @IsText(1000)
  reason?: string;
}

export const DEFAULT_GRACE_SECONDS = 604_800;
/** Long enough for an instance that runs one day each quarter. */
const MAX_GRACE_SECONDS = 7_776_000;

export class ReplaceLicenseKeyBody extends PickType(CreateLicenseBody, ['license_key']) {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_GRACE_SECONDS,
    default: DEFAULT_GRACE_SECONDS,
    description: 'How long the previous key still works; with 0 it stops at once',
  })
  @MayBeAbsent()
  @IsWholeNumber(0, MAX_GRACE_SECONDS)
  grace_seconds?: number;
}

export class ListLicensesQuery extends PageQuery {
  @ApiPropertyOptional()
  @MayBeAbsent()
  @IsText()
  plan?: string;

  @ApiPropertyOptional({ enum: LICENSE_KINDS })
  @MayBeAbsent()
  @IsIn(LICENSE_KINDS, { message: `must be one of ${LICENSE_KINDS.join(', ')}` })
  kind?: LicenseKind;

  @ApiPropertyOptional()
  @MayBeAbsent()
  @IsText()
  customer_ref?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only the renewal of this license' })
  @MayBeAbsent()
  @IsUuid('the id of a license')
  renews_license_id?: string;

  @FlagParameter()
  revoked?: Flag;
}

export function licenseFilter(query: ListLicensesQuery): LicenseFilter {
  return {
    plan: query.plan ?? null,
    kind: query.kind ?? null,
    customerRef: query.customer_ref ?? null,
    renewsLicenseId: query.renews_license_id ?? null,
    revoked: flagOf(query.revoked),
  };
}
