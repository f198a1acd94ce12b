import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { IsBoolean, IsIn } from 'class-validator';
import { PURCHASE_PHASES, type PurchasePhase } from '../domain/add-on-purchase.js';
import { PageQuery } from '../http/paging.js';
import { IsCount, IsDay, IsText, MAX_INTEGER, MayBeAbsent, MayBeNull } from '../http/validators.js';
import type { AddOnPurchaseFilter } from './add-on-purchase.repository.js';

export class CreateAddOnPurchaseBody {
  @ApiProperty({ description: 'An add-on of the catalog', example: 'duo_enterprise' })
  @IsText()
  add_on!: string;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: MAX_INTEGER })
  @IsCount()
  quantity!: number;

  @ApiPropertyOptional({
    type: String,
    format: 'date',
    nullable: true,
    description: 'The first day; null or absent: it has started already',
  })
  @MayBeNull()
  @IsDay()
  started_at?: string | null;

  @ApiProperty({ format: 'date', description: 'The first day after it has ended' })
  @IsDay()
  expires_on!: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: 'A-S00001' })
  @MayBeNull()
  @IsText()
  purchase_xid?: string | null;

  @ApiPropertyOptional({ default: false })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  trial?: boolean;
}

export class CreateNamespacePurchaseBody extends CreateAddOnPurchaseBody {
  @ApiPropertyOptional({
    description: 'The plan of the namespace; required for its first purchase',
    example: 'ultimate',
  })
  @MayBeAbsent()
  @IsText()
  plan?: string;
}

export class UpdateAddOnPurchaseBody extends PartialType(CreateAddOnPurchaseBody, {
  skipNullProperties: false,
}) {
  @ApiPropertyOptional({
    default: false,
    description:
      'If a lower quantity has too few seats for the users: release the newest of theirs',
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  release_seats?: boolean;
}

export class ListAddOnPurchasesQuery extends PageQuery {
  @ApiPropertyOptional({ example: 'duo_pro' })
  @MayBeAbsent()
  @IsText()
  add_on?: string;

  @ApiPropertyOptional({ enum: PURCHASE_PHASES, description: 'As of today' })
  @MayBeAbsent()
  @IsIn(PURCHASE_PHASES, { message: `must be one of ${PURCHASE_PHASES.join(', ')}` })
  phase?: PurchasePhase;
}

export function addOnPurchaseFilter(query: ListAddOnPurchasesQuery): AddOnPurchaseFilter {
  return { addOn: query.add_on ?? null, phase: query.phase ?? null };
}
