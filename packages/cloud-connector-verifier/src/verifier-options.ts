import type { Clock } from './clock.js';
import type { TrustedIssuer } from './discovery.js';
import type { Fetch } from './environment-proxy.js';
import type { VerifierEvent } from './issuer-sources.js';

export interface VerifierOptions {
  /** The issuers whose tokens are accepted. A string is the issuer URL, as in `iss`. */
  readonly issuers: readonly (string | TrustedIssuer)[];
  /** The `jwt_aud` of this backend. With a list, any of them. */
  readonly audience: string | readonly string[];
  /** Default: the wall clock. */
  readonly clock?: Clock;
  /** Fetches keys. Default: the global `fetch`, through the proxy that HTTPS_PROXY and NO_PROXY name. */
  readonly fetch?: Fetch;
  /** Allowed clock difference for `exp` and `nbf`; 0 by default, as in the AI gateway. */
  readonly leewaySeconds?: number;
  /** Time limit of one fetch; 5,000 by default. */
  readonly timeoutMs?: number;
  /** The shortest time between two fetches of an issuer's keys; 30 by default. */
  readonly cooldownSeconds?: number;
  /** How long keys are used while the issuer is away; 7 days by default. */
  readonly maxStaleSeconds?: number;
  /** Whether to check the status lists that tokens refer to; false by default. */
  readonly statusList?: boolean;
  /** What to do when a status list is not available; `accept` (with an event) by default. */
  readonly whenStatusUnavailable?: 'accept' | 'refuse';
  /** Called for events of keys and status lists. */
  readonly onEvent?: (event: VerifierEvent) => void;
}
