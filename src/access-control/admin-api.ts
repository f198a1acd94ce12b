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
import { NoteSubject } from '../http/request-subject.js';
import { refuseUnreadInput } from '../http/unread-input.js';
import type { Principal } from './api-token-look-up.js';
import { Callers } from './callers.js';

/** Who sent a request that is being answered. */
const principals = new WeakMap<FastifyRequest, Principal>();

/** Lets a request through if it has a valid API token. Nothing else authenticates admins. */
@Injectable()
export class ApiTokenGuard implements CanActivate {
  constructor(private readonly callers: Callers) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const advice = 'Send a valid API token as `Authorization: Bearer <token>`.';
    principals.set(request, await this.callers.identify(request, advice));
    return true;
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
    UseInterceptors(NoteSubject, refuseUnreadInput, AnswerDeadline, NextLink),
    ApiBearerAuth(),
    ApiTags(tag),
  );
}
