import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { PageQuery } from '../http/paging.js';
import {
  type Flag,
  FlagParameter,
  IsCount,
  IsInstant,
  MAX_INTEGER,
  MayBeAbsent,
  MayBeNull,
} from '../http/validators.js';
import type { ActivationCode } from './activation-code.repository.js';

export class CreateActivationCodeBody {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_INTEGER, default: 1 })
  @MayBeAbsent()
  @IsCount()
  max_uses?: number;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'No further instance can use it from then on; null or absent: it does not expire',
  })
  @MayBeNull()
  @IsInstant()
  expires_at?: string | null;
}

export class ListActivationCodesQuery extends PageQuery {
  @FlagParameter({ description: 'Whether another instance could use it now' })
  usable?: Flag;
}

/** The code itself is shown once, in the answer that creates it. */
export class ActivationCodeView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiPropertyOptional({ description: 'Only in the answer that creates it' }) code?: string;
  @ApiProperty({ format: 'uuid' }) license_id!: string;
  @ApiProperty({ type: 'integer' }) max_uses!: number;
  @ApiProperty({ type: 'integer', description: 'Instances that have used it' }) uses!: number;
  @ApiProperty({ type: Date, nullable: true }) expires_at!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) revoked_at!: Date | null;
  @ApiProperty({ type: Date }) created_at!: Date;
}

export class ActivationCodePage {
  @ApiProperty({ type: [ActivationCodeView] }) items!: ActivationCodeView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function activationCodeView(
  kept: ActivationCode,
  code: string | null = null,
): ActivationCodeView {
  return {
    id: kept.id,
    ...(code === null ? {} : { code }),
    license_id: kept.licenseId,
    max_uses: kept.maxUses,
    uses: kept.uses,
    expires_at: kept.expiresAt,
    revoked_at: kept.revokedAt,
    created_at: kept.createdAt,
  };
}
