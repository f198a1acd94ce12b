import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { statusReferenceOf } from '../domain/status-list.js';
import { PageQuery } from '../http/paging.js';
import {
  type Flag,
  flagOf,
  FlagParameter,
  IsText,
  IsUuid,
  MayBeAbsent,
} from '../http/validators.js';
import type { TokenDetail } from './read-service-tokens.js';
import type { RecordedToken, TokenFilter } from '../ledger/recorded-tokens.js';
import { RevocationView, revocationView } from './service-token-revocation.dto.js';

export class ListServiceTokensQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @MayBeAbsent()
  @IsUuid('the id of a license')
  license_id?: string;

  @ApiPropertyOptional({ format: 'uuid' })
  @MayBeAbsent()
  @IsUuid('the id of an instance')
  instance_id?: string;

  @ApiPropertyOptional({ description: 'Self-issued tokens for this user of the platform' })
  @MayBeAbsent()
  @IsText()
  user?: string;

  @ApiPropertyOptional({ description: 'Self-issued tokens for this namespace' })
  @MayBeAbsent()
  @IsText()
  namespace?: string;

  @ApiPropertyOptional({ description: 'The key that signed it' })
  @MayBeAbsent()
  @IsText()
  kid?: string;

  @FlagParameter({ description: 'Whether it has not expired yet' })
  live?: Flag;

  @FlagParameter()
  revoked?: Flag;
}

export class StatusListView {
  @ApiProperty({ type: 'integer' }) idx!: number;
  @ApiProperty({ format: 'uri' }) uri!: string;
}

/** An issued token as the ledger holds it: everything but the token itself. */
export class ServiceTokenView {
  @ApiProperty({ format: 'uuid' }) jti!: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Null: self-issued' })
  license_id!: string | null;
  @ApiProperty({ type: String, format: 'uuid', nullable: true }) instance_id!: string | null;
  @ApiProperty() kid!: string;
  @ApiProperty({ type: String, nullable: true }) gitlab_version!: string | null;
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    example: null,
    description:
      'The request for a self-issued token: its user or namespace, and what else it named',
  })
  self_issued!: Readonly<Record<string, unknown>> | null;
  @ApiProperty({ type: Date }) issued_at!: Date;
  @ApiProperty({ type: Date }) expires_at!: Date;
  @ApiProperty({ type: Date, nullable: true }) revoked_at!: Date | null;
  @ApiProperty({
    type: StatusListView,
    nullable: true,
    description: 'Where validators can see whether it is revoked; null: nowhere',
  })
  status_list!: StatusListView | null;
}

export class ServiceTokenDetailView extends ServiceTokenView {
  @ApiProperty({ type: [String] }) scopes!: readonly string[];
  @ApiProperty({ type: [String] }) audiences!: readonly string[];
  @ApiProperty({ type: RevocationView, nullable: true, description: 'What revoked it' })
  revocation!: RevocationView | null;
}

export class ServiceTokenPage {
  @ApiProperty({ type: [ServiceTokenView] }) items!: ServiceTokenView[];
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Null on the last page only. A page before it may be short or empty',
  })
  next_cursor!: string | null;
}

export function tokenFilter(query: ListServiceTokensQuery): TokenFilter {
  return {
    licenseId: query.license_id ?? null,
    instanceId: query.instance_id ?? null,
    user: query.user ?? null,
    namespace: query.namespace ?? null,
    kid: query.kid ?? null,
    live: flagOf(query.live),
    revoked: flagOf(query.revoked),
  };
}

export function serviceTokenView(token: RecordedToken, issuer: string): ServiceTokenView {
  return {
    jti: token.jti,
    license_id: token.licenseId,
    instance_id: token.instanceId,
    kid: token.kid,
    gitlab_version: token.gitlabVersion,
    self_issued: token.selfIssued,
    issued_at: token.issuedAt,
    expires_at: token.expiresAt,
    revoked_at: token.revokedAt,
    status_list: token.statusIndex === null ? null : statusReferenceOf(issuer, token.statusIndex),
  };
}

export function serviceTokenDetailView(
  { token, scopes, audiences, revocation }: TokenDetail,
  issuer: string,
): ServiceTokenDetailView {
  const view: Readonly<ServiceTokenView> = serviceTokenView(token, issuer);
  return { ...view, scopes, audiences, revocation: revocation && revocationView(revocation) };
}
