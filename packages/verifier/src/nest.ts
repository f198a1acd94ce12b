import { type CanActivate, type ExecutionContext, HttpException } from '@nestjs/common';
import { admit, type GuardOptions } from './admission.js';
import type { PermissionOptions } from './backend-user.js';
import type { RequestHeaders } from './request-headers.js';
import type { Verifier } from './verifier.js';

export { userOf } from './admission.js';

interface Requirement extends PermissionOptions {
  /** Null where a route needs no token. */
  readonly unitPrimitive: string | null;
}

/** By the method or the class that bears the decorator. */
const requirements = new WeakMap<object, Requirement>();

type RouteDecorator = (
  target: object,
  propertyKey?: string | symbol,
  descriptor?: PropertyDescriptor,
) => void;

function requiring(requirement: Requirement): RouteDecorator {
  return (target, _propertyKey, descriptor) => {
    const method: unknown = descriptor?.value;
    requirements.set(typeof method === 'function' ? method : target, requirement);
  };
}

/**
 * The route, or each route of the controller, needs a token that grants the unit primitive. The
 * decorator of a method wins over that of its class. It needs a `CloudConnectorGuard` to be heeded.
 */
export function RequireUnitPrimitive(
  unitPrimitive: string,
  options: PermissionOptions = {},
): RouteDecorator {
  return requiring({ ...options, unitPrimitive });
}

/** The route needs no token at all, such as one that tells of health. */
export function WithoutToken(): RouteDecorator {
  return requiring({ unitPrimitive: null });
}

/**
 * Guards every route that it is put on, best all of them (`app.useGlobalGuards`, or `APP_GUARD`): each
 * needs a good token unless it is `@WithoutToken()`. The user is `userOf(request)`.
 */
export class CloudConnectorGuard implements CanActivate {
  constructor(
    private readonly verifier: Verifier,
    private readonly options: GuardOptions = {},
  ) {}

  /** @throws HttpException 401 or 403, whose body is that of the AI gateway */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = requirements.get(context.getHandler()) ?? requirements.get(context.getClass());
    if (required?.unitPrimitive === null) return true;
    const request = context.switchToHttp().getRequest<{ readonly headers: RequestHeaders }>();
    const options = { ...this.options, ...required };
    const primitive = required?.unitPrimitive ?? null;
    const admission = await admit(this.verifier, request, primitive, options);
    if (admission.admitted) return true;
    throw new HttpException(admission.body, admission.status);
  }
}
