import {
  applyDecorators,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Injectable,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { AnswerDeadline } from '../platform/answer-deadline.js';
import { Database } from '../platform/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { ApiTokens } from './api-tokens.js';

const BEARER = /^Bearer ([\x21-\x7e]+)$/i;

/** The bearer token of a request (RFC 6750 section 2.1); null when it carries none. */
export function bearerTokenOf(request: FastifyRequest): string | null {
  return BEARER.exec(request.headers.authorization ?? '')?.[1] ?? null;
}

/** Lets through whoever holds an API token. The one place where admins are told from strangers. */
@Injectable()
export class ApiTokenGuard implements CanActivate {
  constructor(
    private readonly database: Database,
    private readonly apiTokens: ApiTokens,
    private readonly deadline: AnswerDeadline,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const token = bearerTokenOf(context.switchToHttp().getRequest<FastifyRequest>());
    if (token !== null) {
      const asked = this.apiTokens.principalOf(this.database.manager, token);
      if (await this.deadline.within(context, asked)) return true;
    }
    throw new IssuerError(
      'UNAUTHENTICATED',
      'Send a valid API token as `Authorization: Bearer <token>`.',
    );
  }
}

/** A controller of the admin API below /api/v1: authenticated, and never waiting without an end. */
export function AdminApi(tag: string): ClassDecorator {
  return applyDecorators(
    Controller('api/v1'),
    UseGuards(ApiTokenGuard),
    UseInterceptors(AnswerDeadline),
    ApiBearerAuth(),
    ApiTags(tag),
  );
}
