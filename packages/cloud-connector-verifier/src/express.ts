import { admit, type GuardOptions } from './admission.js';
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
 * A middleware for Express (4 or 5) that lets only those pass whose token grants the unit primitive;
 * null asks for a good token only. The user is then `userOf(request)`.
 */
export function expressGuard(
  verifier: Verifier,
  unitPrimitive: string | null,
  options: GuardOptions = {},
) {
  return (
    request: ExpressRequestLike,
    response: ExpressResponseLike,
    next: (error?: unknown) => void,
  ): void => {
    admit(verifier, request, unitPrimitive, options)
      .then((admission) => {
        // Somebody else has answered meanwhile, such as a limit on time.
        if (response.headersSent === true) return;
        if (admission.admitted) next();
        else response.status(admission.status).json(admission.body);
      })
      .catch(next);
  };
}
