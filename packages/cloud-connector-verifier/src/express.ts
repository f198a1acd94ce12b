import { admit, type GuardOptions } from './admission.js';
import { checkPermission } from './check-options.js';
import type { RequestHeaders } from './request-headers.js';
import type { Verifier } from './verifier.js';

interface ExpressRequestLike {
  readonly headers: RequestHeaders;
}

interface ExpressResponseLike {
  readonly headersSent?: boolean;
  status(status: number): { json(body: unknown): unknown };
}

/**
 * A middleware for Express (4 or 5). It admits requests whose token grants the unit primitive; null accepts
 * any valid token. `userOf(request)` is then the user.
 * @throws TypeError for a wrong `disallowedIssuers`
 */
export function expressGuard(
  verifier: Verifier,
  unitPrimitive: string | null,
  options: GuardOptions = {},
) {
  checkPermission(options);
  return (
    request: ExpressRequestLike,
    response: ExpressResponseLike,
    next: (error?: unknown) => void,
  ): void => {
    admit(verifier, request, unitPrimitive, options)
      .then((admission) => {
        // Another middleware has answered meanwhile, such as a time limit.
        if (response.headersSent === true) return;
        if (admission.admitted) next();
        else response.status(admission.status).json(admission.body);
      })
      .catch(next);
  };
}
