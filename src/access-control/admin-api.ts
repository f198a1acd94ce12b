import {
  applyDecorators,
  type CanActivate,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { AnswerDeadline } from '../http/answer-deadline.js';
import { NextLink } from '../http/paging.js';
import { refuseUnreadInput } from '../http/unread-input.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { ApiTokens, type Principal } from './api-tokens.js';

const BEARER = /^Bearer ([\x21-\x7e]+)$/i;

/** The bearer token of a request (RFC 6750 section 2.1); null when it carries none. */
export function bearerTokenOf(request: FastifyRequest): string | null {
  return BEARER.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/** Who sent a request that is being answered. */
const principals = new WeakMap<FastifyRequest, Principal>();

/** Lets a request through if it has a valid API token. Nothing else authenticates admins. */
@Injectable()
export class ApiTokenGuard implements CanActivate {
  constructor(
    private readonly database: Database,
    private readonly apiTokens: ApiTokens,
    private readonly deadline: AnswerDeadline,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerTokenOf(request);
    if (token !== null) {
      const asked = this.apiTokens.principalOf(this.database.manager, token);
      const principal = await this.deadline.within(context, asked);
      if (principal !== null) {
        principals.set(request, principal);
        return true;
      }
    }
    throw new IssuerError(
      'UNAUTHENTICATED',
      'Send a valid API token as `Authorization: Bearer <token>`.',
    );
  }
}

/** A parameter of a handler below `AdminApi`: the `Principal` who sent the request. */
export const AskedBy = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const principal = principals.get(context.switchToHttp().getRequest<FastifyRequest>());
  if (!principal) throw new Error('no guard has let this request through');
  return principal;
});

/**
 * A controller of the admin API below /api/v1: callers are authenticated, no input is ignored, no answer waits for
 * ever, and a page of a list links to the next one.
 */
export function AdminApi(tag: string): ClassDecorator {
  return applyDecorators(
    Controller('api/v1'),
    UseGuards(ApiTokenGuard),
    UseInterceptors(refuseUnreadInput, AnswerDeadline, NextLink),
    ApiBearerAuth(),
    ApiTags(tag),
  );
}
