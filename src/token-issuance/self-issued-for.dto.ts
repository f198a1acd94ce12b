import { ApiPropertyOptional } from '@nestjs/swagger';
import { IssuerError } from '../platform/issuer-error.js';
import { IsText, MayBeAbsent } from '../http/validators.js';

/** Whom a token of the platform itself is for, by the platform's own ids. */
export type SelfIssuedFor = { readonly user: string } | { readonly namespace: string };

export class SelfIssuedForBody {
  @ApiPropertyOptional({ example: '7', description: 'Either a user or a namespace' })
  @MayBeAbsent()
  @IsText()
  user?: string;

  @ApiPropertyOptional({ example: '9' })
  @MayBeAbsent()
  @IsText()
  namespace?: string;
}

/** @throws {IssuerError} VALIDATION_FAILED unless it is exactly one of the two */
export function selfIssuedFor({ user, namespace }: SelfIssuedForBody): SelfIssuedFor {
  if (user !== undefined && namespace === undefined) return { user };
  if (namespace !== undefined && user === undefined) return { namespace };
  const [pointer, detail] =
    user === undefined
      ? ['#/user', 'is required where no namespace is named']
      : ['#/namespace', 'must be absent where a user is named'];
  throw new IssuerError('VALIDATION_FAILED', 'Name one user or one namespace.', {
    errors: [{ pointer, detail }],
  });
}
