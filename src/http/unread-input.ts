import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { IssuerError } from '../platform/issuer-error.js';
import { unknownParameters } from './validation.js';

/**
 * Refuses parameters and bodies that the handler does not read. An admin who sends `?dry_run=true` would
 * otherwise believe that nothing was changed.
 */
class RefuseUnreadInput implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { query, body } = context.switchToHttp().getRequest<FastifyRequest>();
    const names = Object.keys(query as object);
    if (names.length > 0 && !reads(context, RouteParamtypes.QUERY)) throw unknownParameters(names);
    if (!isEmpty(body) && !reads(context, RouteParamtypes.BODY)) {
      throw new IssuerError('VALIDATION_FAILED', 'This request takes no body: leave it out.', {
        errors: [{ pointer: '#', detail: 'must be absent' }],
      });
    }
    return next.handle();
  }
}

/** Whether the handler has a parameter with `@Query` or `@Body`. */
function reads(context: ExecutionContext, kind: RouteParamtypes): boolean {
  const parameters: unknown = Reflect.getMetadata(
    ROUTE_ARGS_METADATA,
    context.getClass(),
    context.getHandler().name,
  );
  return Object.keys(Object(parameters) as object).some((key) => key.startsWith(`${kind}:`));
}

/** Many clients send `{}` or null with every request. */
function isEmpty(body: unknown): boolean {
  if (body === undefined || body === null) return true;
  return typeof body === 'object' && !Array.isArray(body) && Object.keys(body).length === 0;
}

export const refuseUnreadInput = new RefuseUnreadInput();
