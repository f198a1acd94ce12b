import { ApiPropertyOptional } from '@nestjs/swagger';
import type { PlatformHolder } from '../domain/holder.js';
import { IssuerError } from '../platform/issuer-error.js';
import { IsText, MayBeAbsent } from '../http/validators.js';

export class PlatformHolderBody {
  @ApiPropertyOptional({ example: '7', description: 'Either a user or a namespace' })
  @MayBeAbsent()
  @IsText()
  user?: string;

  @ApiPropertyOptional({ example: '9' })
  @MayBeAbsent()
  @IsText()
  namespace?: string;
}

/** @throws {IssuerError} VALIDATION_FAILED unless the body names exactly one of the two */
export function platformHolderOf({ user, namespace }: PlatformHolderBody): PlatformHolder {
  if (user !== undefined && namespace === undefined) return { userId: user };
  if (namespace !== undefined && user === undefined) return { namespaceId: namespace };
  const [pointer, detail] =
    user === undefined
      ? ['#/user', 'is required when no namespace is named']
      : ['#/namespace', 'must be absent when a user is named'];
  throw new IssuerError('VALIDATION_FAILED', 'Name one user or one namespace.', {
    errors: [{ pointer, detail }],
  });
}
