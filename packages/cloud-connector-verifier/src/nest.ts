import { type CanActivate, type ExecutionContext, HttpException } from '@nestjs/common';
import { admit, type GuardOptions } from './admission.js';
import type { PermissionOptions } from './backend-user.js';
import { checkPermission } from './check-options.js';
import type { RequestHeaders } from './request-headers.js';
import type { Verifier } from './verifier.js';

export { userOf } from './admission.js';

interface Requirement extends PermissionOptions {
  /** Null where a route needs no token. */
  readonly unitPrimitive: string | null;
}

/** By class, or by prototype and method name: another decorator may replace the method's function. */
interface Requirements {
  readonly ofClasses: WeakMap<object, Requirement>;
  readonly ofMethods: WeakMap<object, Map<string | symbol, Requirement>>;
}

/**
 * All copies of this package in a process share it. Otherwise a guard would not see the decorators of
 * another copy, and would admit any valid token. The number is the version of the shape.
 */
const SHARED = Symbol.for('cloud-connector-verifier.requirements.1');
const holder: Partial<Record<symbol, Requirements>> = globalThis;
const { ofClasses, ofMethods } = (holder[SHARED] ??= {
  ofClasses: new WeakMap(),
  ofMethods: new WeakMap(),
});

type RouteDecorator = (target: object, propertyKey?: string | symbol) => void;

function requiring(requirement: Requirement): RouteDecorator {
  return (target, propertyKey) => {
    const methods = ofMethods.get(target) ?? new Map<string | symbol, Requirement>();
    const known = propertyKey === undefined ? ofClasses.has(target) : methods.has(propertyKey);
    // Only one could apply, and nobody would see which.
    if (known) throw new TypeError('a route takes one RequireUnitPrimitive or WithoutToken');
    if (propertyKey === undefined) ofClasses.set(target, requirement);
    else ofMethods.set(target, methods.set(propertyKey, requirement));
  };
}

/**
 * The route needs a token that grants the unit primitive. On a controller it applies to all its routes, and
 * to controllers that extend it. The decorator of a method wins over that of its class. It takes effect only
 * with a `CloudConnectorGuard`.
 * @throws TypeError without a name: an undefined constant would open the route
 */
export function RequireUnitPrimitive(
  unitPrimitive: string,
  options: PermissionOptions = {},
): RouteDecorator {
  const given: unknown = unitPrimitive;
  if (typeof given !== 'string' || given === '')
    throw new TypeError('unitPrimitive must be a name');
  checkPermission(options);
  return requiring({ ...options, unitPrimitive });
}

/** The route needs no token, for example a health check. */
export function WithoutToken(): RouteDecorator {
  return requiring({ unitPrimitive: null });
}

/** @throws Error when the handler is not a method of its controller: its requirement is unknown */
function requirementOf(context: ExecutionContext): Requirement | undefined {
  const controller = context.getClass();
  const prototypes = chainOf(controller.prototype);
  const handler: unknown = context.getHandler();
  const name = prototypes
    .flatMap((prototype) => Object.entries(Object.getOwnPropertyDescriptors(prototype)))
    .find(([, { value }]) => value === handler)?.[0];
  if (name === undefined) throw new Error('the guard does not know the method of this route');
  const ofMethod = prototypes.map((prototype) => ofMethods.get(prototype)?.get(name));
  const ofClass = chainOf(controller).map((ancestor) => ofClasses.get(ancestor));
  return [...ofMethod, ...ofClass].find((requirement) => requirement !== undefined);
}

/** The object and its prototypes, nearest first. */
function chainOf(start: unknown): object[] {
  const chain: object[] = [];
  for (let one = start; one instanceof Object; one = Object.getPrototypeOf(one)) chain.push(one);
  return chain;
}

/**
 * Guards routes, best all of them (`app.useGlobalGuards` or `APP_GUARD`). Each needs a valid token unless it
 * is `@WithoutToken()`. `userOf(request)` is then the user.
 */
export class CloudConnectorGuard implements CanActivate {
  constructor(
    private readonly verifier: Verifier,
    private readonly options: GuardOptions = {},
  ) {
    checkPermission(options);
  }

  /** @throws HttpException 401 or 403, whose body is that of the AI gateway */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = requirementOf(context);
    if (required?.unitPrimitive === null) return true;
    const request = context.switchToHttp().getRequest<{ readonly headers: RequestHeaders }>();
    const { disallowedIssuers = [] } = this.options;
    const options = {
      ...this.options,
      disallowedIssuers: [...disallowedIssuers, ...(required?.disallowedIssuers ?? [])],
    };
    const primitive = required?.unitPrimitive ?? null;
    const admission = await admit(this.verifier, request, primitive, options);
    if (admission.admitted) return true;
    throw new HttpException(admission.body, admission.status);
  }
}
