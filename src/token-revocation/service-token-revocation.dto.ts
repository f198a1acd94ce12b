import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { Principal } from '../access-control/api-token-look-up.js';
import { PageQuery } from '../http/paging.js';
import {
  type Flag,
  flagOf,
  FlagParameter,
  IsText,
  IsUuid,
  MayBeAbsent,
} from '../http/validators.js';
import { PlatformHolderBody } from './platform-holder.dto.js';
import type { RevocationRequest } from './revoke-service-token.js';
import type { RevocationStatus } from './revoke-service-tokens.js';
import {
  REVOCATION_SUBJECTS,
  type RevocationSubject,
  type ServiceTokenRevocationEntity,
} from './service-token-revocation.entity.js';
import type { RevocationFilter } from './service-token-revocation.repository.js';

export class RevokeServiceTokensBody {
  @ApiPropertyOptional({ description: 'Kept with the revocation', example: 'laptop stolen' })
  @MayBeAbsent()
  @IsText(1000)
  reason?: string;
}

export class RestoreServiceTokensBody {
  @ApiPropertyOptional({ description: 'Kept with the revocation', example: 'laptop found' })
  @MayBeAbsent()
  @IsText(1000)
  reason?: string;
}

export class RevokeSelfIssuedTokensBody extends PlatformHolderBody {
  @ApiPropertyOptional({ description: 'Kept with the revocation', example: 'laptop stolen' })
  @MayBeAbsent()
  @IsText(1000)
  reason?: string;
}

export class ListRevocationsQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Of this license and of its instances' })
  @MayBeAbsent()
  @IsUuid('the id of a license')
  license_id?: string;

  @ApiPropertyOptional({ format: 'uuid' })
  @MayBeAbsent()
  @IsUuid('the id of an instance')
  instance_id?: string;

  @ApiPropertyOptional({ description: 'Of self-issued tokens for this user of the platform' })
  @MayBeAbsent()
  @IsText()
  user?: string;

  @ApiPropertyOptional({ description: 'Of self-issued tokens for this namespace' })
  @MayBeAbsent()
  @IsText()
  namespace?: string;

  @FlagParameter({ description: 'Whether it is not restored yet' })
  active?: Flag;
}

export function revocationFilter(query: ListRevocationsQuery): RevocationFilter {
  return {
    licenseId: query.license_id ?? null,
    instanceId: query.instance_id ?? null,
    userId: query.user ?? null,
    namespaceId: query.namespace ?? null,
    active: flagOf(query.active),
  };
}

/** A revocation as the admin API shows it. */
export class RevocationView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({
    enum: REVOCATION_SUBJECTS,
    description: 'What was revoked: one token, or all of its tokens',
  })
  subject!: RevocationSubject;
  @ApiProperty({ type: String, format: 'uuid', nullable: true }) jti!: string | null;
  @ApiProperty({ type: String, format: 'uuid', nullable: true }) license_id!: string | null;
  @ApiProperty({ type: String, format: 'uuid', nullable: true }) instance_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) user!: string | null;
  @ApiProperty({ type: String, nullable: true }) namespace!: string | null;
  @ApiProperty({ type: String, nullable: true }) reason!: string | null;
  @ApiProperty({ type: Date }) revoked_at!: Date;
  @ApiProperty({ description: 'The name of the API token' }) revoked_by!: string;
  @ApiProperty({
    type: 'integer',
    description: 'How many tokens it revoked that had not expired',
  })
  revoked_tokens!: number;
  @ApiProperty({ type: Date, nullable: true, description: 'When the last of them would expire' })
  last_expires_at!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) restored_at!: Date | null;
  @ApiProperty({ type: String, nullable: true }) restored_by!: string | null;
  @ApiProperty({ type: String, nullable: true }) restore_reason!: string | null;
}

export class RevocationPage {
  @ApiProperty({ type: [RevocationView] }) items!: RevocationView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** Whether the tokens of a license or an instance are revoked. */
export class RevocationStatusView {
  @ApiProperty({ format: 'uuid' }) license_id!: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true }) instance_id!: string | null;
  @ApiProperty({ type: RevocationView, nullable: true, description: 'The last revocation' })
  revocation!: RevocationView | null;
  @ApiProperty({
    type: [RevocationView],
    description: 'Why its syncs get no token now: the revocations that are not restored',
  })
  active!: RevocationView[];
}

export function revocationRequest(
  principal: Principal,
  { reason }: RevokeServiceTokensBody | RestoreServiceTokensBody,
): RevocationRequest {
  return { by: principal.name, reason: reason ?? null };
}

export function revocationView(revocation: ServiceTokenRevocationEntity): RevocationView {
  return {
    id: revocation.id,
    subject: revocation.subject,
    jti: revocation.jti,
    license_id: revocation.licenseId,
    instance_id: revocation.instanceId,
    user: revocation.userId,
    namespace: revocation.namespaceId,
    reason: revocation.reason,
    revoked_at: revocation.revokedAt,
    revoked_by: revocation.revokedBy,
    revoked_tokens: revocation.revokedTokens,
    last_expires_at: revocation.lastExpiresAt,
    restored_at: revocation.restoredAt,
    restored_by: revocation.restoredBy,
    restore_reason: revocation.restoreReason,
  };
}

export function revocationStatusView(status: RevocationStatus): RevocationStatusView {
  return {
    license_id: status.licenseId,
    instance_id: status.instanceId,
    revocation: status.revocation && revocationView(status.revocation),
    active: status.active.map(revocationView),
  };
}
