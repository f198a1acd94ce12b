import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsObject } from 'class-validator';
import { extraClaimFault } from '../domain/extra-claims.js';
import type { ExtraClaims } from '../domain/self-issued-token-claims.js';
import { IssuerError } from '../platform/issuer-error.js';
import { pointerToken } from '../http/pointer.js';
import { EachIsText, MayBeAbsent } from '../http/validators.js';
import { PlatformHolderBody, platformHolderOf } from '../token-revocation/platform-holder.dto.js';
import type { SelfIssuedRequest, SelfIssuedToken } from './issue-self-issued-token.js';

const MAX_UNIT_PRIMITIVES = 500;

export class IssueSelfIssuedTokenBody extends PlatformHolderBody {
  @ApiPropertyOptional({
    type: [String],
    example: ['duo_chat'],
    description: 'The token gets only these; absent: all that are granted',
  })
  @MayBeAbsent()
  @EachIsText()
  @ArrayMaxSize(MAX_UNIT_PRIMITIVES, { message: `must name at most ${MAX_UNIT_PRIMITIVES}` })
  @ArrayMinSize(1, { message: 'must name at least one' })
  @IsArray({ message: 'must be a list of names' })
  unit_primitives?: string[];

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    example: { gitlab_namespace_id: '9' },
    description:
      'gitlab_namespace_id, gitlab_root_namespace_id, gitlab_project_id: an id, a text or a whole ' +
      'number; gitlab_namespace_ids: a list of them; skip_usage_cutoff: true or false; ' +
      'tool_access_policies: a text of JSON, at most 4096 bytes',
  })
  @MayBeAbsent()
  @IsObject({ message: 'must be an object' })
  extra_claims?: Record<string, unknown>;
}

export class SelfIssuedTokenView {
  @ApiProperty({ description: 'A compact JWS, realm saas' }) token!: string;
  @ApiProperty({ type: Date }) expires_at!: Date;
  @ApiProperty({ type: [String] }) scopes!: readonly string[];
}

/** @throws {IssuerError} VALIDATION_FAILED */
export function selfIssuedRequest(body: IssueSelfIssuedTokenBody, at: Date): SelfIssuedRequest {
  return {
    for: platformHolderOf(body),
    unitPrimitives: body.unit_primitives === undefined ? null : [...new Set(body.unit_primitives)],
    extraClaims: extraClaimsOf(body.extra_claims ?? {}),
    at,
  };
}

export function selfIssuedTokenView(token: SelfIssuedToken): SelfIssuedTokenView {
  return { token: token.token, expires_at: token.expiresAt, scopes: token.scopes };
}

/** @throws {IssuerError} VALIDATION_FAILED */
export function extraClaimsOf(given: Record<string, unknown>): ExtraClaims {
  const errors = Object.entries(given).flatMap(([name, value]) => {
    const detail = extraClaimFault(name, value);
    const pointer = `#/extra_claims/${pointerToken(name)}`;
    return detail === null ? [] : [{ pointer, detail }];
  });
  if (errors.length === 0) return given;
  throw new IssuerError('VALIDATION_FAILED', 'The body has members that cannot be accepted.', {
    errors: errors.slice(0, 100),
  });
}
