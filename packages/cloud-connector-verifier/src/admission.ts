import type { BackendUser, PermissionOptions } from './backend-user.js';
import type { RefusalCode } from './refusal.js';
import type { RequestHeaders } from './request-headers.js';
import type { Verifier } from './verifier.js';

/** Logs why requests are refused: pino, `request.log` of Fastify, `console` or similar. */
export interface RefusalLogger {
  warn(fields: object, message: string): void;
}

export interface GuardOptions extends PermissionOptions {
  /** Logs each refusal with `code` and `reason`, never with the token. */
  readonly logger?: RefusalLogger;
}

/** The decision about a request. */
export type Admission =
  | { readonly admitted: true; readonly user: BackendUser }
  | {
      readonly admitted: false;
      readonly status: 401 | 403;
      readonly code: RefusalCode | 'UNIT_PRIMITIVE_NOT_GRANTED';
      readonly body: { readonly error: string } | { readonly detail: string };
    };

const users = new WeakMap<object, BackendUser>();

/** The user of this request; undefined unless a guard has admitted it. */
export function userOf(request: object): BackendUser | undefined {
  return users.get(request);
}

/**
 * Verifies a request and checks the unit primitive, if there is one. A refusal is 401 or 403 with the body
 * of the AI gateway. It rejects only on a bug, never because of a request or an issuer.
 */
export async function admit(
  verifier: Verifier,
  request: { readonly headers: RequestHeaders },
  unitPrimitive: string | null,
  { logger, disallowedIssuers = [] }: GuardOptions = {},
): Promise<Admission> {
  const verdict = await verifier.verify(request.headers);
  if (!verdict.accepted) {
    const { status, code, reason, body } = verdict;
    logger?.warn({ status, code, reason }, 'request refused');
    return { admitted: false, status, code, body };
  }
  const { user } = verdict;
  if (unitPrimitive === null || user.can(unitPrimitive, { disallowedIssuers })) {
    users.set(request, user);
    return { admitted: true, user };
  }
  const reason = user.can(unitPrimitive)
    ? `tokens of ${user.issuer} do not count for ${unitPrimitive} here`
    : `the token does not grant ${unitPrimitive}`;
  const { issuer, instanceId } = user;
  const code = 'UNIT_PRIMITIVE_NOT_GRANTED';
  const { jti } = user.claims;
  logger?.warn({ status: 403, code, reason, issuer, instanceId, jti }, 'request refused');
  const body = { detail: `Unauthorized to access ${unitPrimitive}` };
  return { admitted: false, status: 403, code, body };
}
