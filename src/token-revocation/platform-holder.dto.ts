import { ApiPropertyOptional } from '@nestjs/swagger';
import type { PlatformHolder } from '../domain/holder.js';
import { type ErrorDetail, IssuerError } from '../platform/issuer-error.js';
import { BodyValidation, faultsOf } from '../http/validation.js';
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

/** The faults of `platformHolderOf`; none while one of the two is wrong by itself. */
export function platformHolderFaults(
  body: Readonly<Partial<PlatformHolderBody>>,
  wrong: ReadonlySet<string>,
): readonly ErrorDetail[] {
  if (wrong.has('user') || wrong.has('namespace')) return [];
  return faultsOf(() => platformHolderOf(body));
}

/** For a body with a user or a namespace. */
export const platformHolderBodyValidation = new BodyValidation<PlatformHolderBody>(
  platformHolderFaults,
);
