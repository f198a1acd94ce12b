import { admit, type GuardOptions, type RefusalLogger } from './admission.js';
import { checkPermission } from './check-options.js';
import type { RequestHeaders } from './request-headers.js';
import type { Verifier } from './verifier.js';

interface FastifyRequestLike {
  readonly headers: RequestHeaders;
  readonly log: RefusalLogger;
}

interface FastifyReplyLike {
  code(status: number): { send(body: unknown): unknown };
}

/**
 * A hook for Fastify: `onRequest` (before the body is read) or a later one. It admits requests whose token
 * grants the unit primitive; null accepts any valid token. `userOf(request)` is then the user. Refusals are
 * logged to `request.log` unless there is another logger.
 * @throws TypeError for a wrong `disallowedIssuers`
 */
export function fastifyGuard(
  verifier: Verifier,
  unitPrimitive: string | null,
  options: GuardOptions = {},
) {
  checkPermission(options);
  return async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<unknown> => {
    const logging = { logger: request.log, ...options };
    const admission = await admit(verifier, request, unitPrimitive, logging);
    if (admission.admitted) return undefined;
    // A hook that returns the reply ends the request.
    return reply.code(admission.status).send(admission.body);
  };
}
