import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { SelfIssuedDecision } from '../domain/self-issued-decision.js';
import { IssuerError } from '../platform/issuer-error.js';
import { IsText, MayBeAbsent } from '../http/validators.js';
import { commonDetails } from '../entitlements/entitlements.dto.js';
import type { AllowedToUseQuestion } from './allowed-to-use.js';

const UNKNOWN = 'UNKNOWN_UNIT_PRIMITIVE';

/** A missing reason is a compile error below. */
const REASONS = [
  'FREE',
  'SEAT_ASSIGNED',
  'ADD_ON_PURCHASED',
  'NO_AUDIENCE',
  'PLAN_NOT_ELIGIBLE',
  'OUTRANKED',
  'PURCHASE_NOT_STARTED',
  'PURCHASE_EXPIRED',
  'NO_SEAT',
  'NO_ACTIVE_PURCHASE',
  UNKNOWN,
] as const satisfies readonly (SelfIssuedDecision['reason'] | typeof UNKNOWN)[];

export class AllowedToUseQuery {
  @ApiPropertyOptional({ example: '7', description: 'Required when no namespace is named' })
  @MayBeAbsent()
  @IsText()
  user?: string;

  @ApiPropertyOptional({
    example: '9',
    description: 'With a user: only the seats of its purchases count',
  })
  @MayBeAbsent()
  @IsText()
  namespace?: string;

  @ApiProperty({ example: 'duo_chat' })
  @IsText()
  unit_primitive!: string;
}

export class AllowedToUseView {
  @ApiProperty() allowed!: boolean;
  @ApiProperty({ enum: REASONS, example: 'NO_SEAT' }) reason!: (typeof REASONS)[number];
  @ApiProperty() unit_primitive!: string;
  @ApiPropertyOptional({ format: 'uuid' }) add_on_purchase_id?: string;
  @ApiPropertyOptional({ type: String, nullable: true, description: 'It is allowed until then' })
  until?: string | null;
  @ApiPropertyOptional({ format: 'date' }) starts_on?: string;
  @ApiPropertyOptional({ format: 'date' }) expired_on?: string;
  @ApiPropertyOptional({ type: [String], description: 'The plans that may have it' })
  eligible_plans?: readonly string[];
  @ApiPropertyOptional({ description: 'The add-on that takes the place of the one bought' })
  outranked_by?: string;
  @ApiPropertyOptional({ type: [String], description: 'Add-ons, any of which would grant it' })
  would_be_granted_by?: readonly string[];
}

/** @throws {IssuerError} VALIDATION_FAILED when it names neither user nor namespace */
export function requireSubject({ user, namespace }: Partial<AllowedToUseQuery>): void {
  if (user !== undefined || namespace !== undefined) return;
  throw new IssuerError('VALIDATION_FAILED', 'Name a user, a namespace, or both.', {
    errors: [{ parameter: 'user', detail: 'is required when no namespace is named' }],
  });
}

/** @throws {IssuerError} VALIDATION_FAILED when it names neither user nor namespace */
export function allowedToUseQuestion(query: AllowedToUseQuery): AllowedToUseQuestion {
  requireSubject(query);
  const { user = null, namespace = null } = query;
  return { user, namespace, unitPrimitive: query.unit_primitive };
}

export function allowedToUseView(
  unit_primitive: string,
  decision: SelfIssuedDecision | null,
): AllowedToUseView {
  if (decision === null) return { allowed: false, reason: UNKNOWN, unit_primitive };
  const view = { allowed: decision.granted, reason: decision.reason, unit_primitive };
  switch (decision.reason) {
    case 'SEAT_ASSIGNED':
    case 'ADD_ON_PURCHASED':
      return { ...view, add_on_purchase_id: decision.addOnPurchaseId, until: decision.until };
    case 'OUTRANKED':
      return {
        ...view,
        add_on_purchase_id: decision.addOnPurchaseId,
        outranked_by: decision.outrankedBy,
      };
    case 'NO_SEAT':
    case 'NO_ACTIVE_PURCHASE':
      return { ...view, would_be_granted_by: decision.wouldBeGrantedBy };
    default:
      return { ...view, ...commonDetails(decision) };
  }
}
