import type { Clock } from './clock.js';
import { keyLocator, type TrustedIssuer } from './discovery.js';
import type { Fetch } from './environment-proxy.js';
import { type KeySetEvent, RemoteKeys } from './remote-keys.js';
import { type StatusListEvent, StatusLists } from './status-lists.js';

/** For logs and metrics. It has nothing of a token. */
export type VerifierEvent = KeySetEvent | StatusListEvent;

/** How the documents of an issuer are fetched and kept. */
export interface SourceOptions {
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly timeoutMs: number;
  readonly cooldownSeconds: number;
  readonly maxStaleSeconds: number;
  readonly statusList: boolean;
  readonly whenStatusUnavailable: 'accept' | 'refuse';
  readonly onEvent: (event: VerifierEvent) => void;
}

/** Everything that is fetched from one issuer. */
export interface IssuerSources {
  readonly keys: RemoteKeys;
  /** Null: status lists are not checked. */
  readonly statusLists: StatusLists | null;
}

export function issuerSources(issuer: TrustedIssuer, options: SourceOptions): IssuerSources {
  const { fetch, timeoutMs, cooldownSeconds, maxStaleSeconds } = options;
  const shared = {
    ...options,
    cooldownMs: cooldownSeconds * 1000,
    maxStaleMs: maxStaleSeconds * 1000,
  };
  const keys = new RemoteKeys({
    ...shared,
    issuer: issuer.issuer,
    alg: 'RS256',
    locate: keyLocator(issuer, fetch, timeoutMs),
  });
  if (!options.statusList) return { keys, statusLists: null };
  const uri = issuer.auxiliaryKeysUri ?? `${issuer.issuer}/oauth/discovery/auxiliary_keys`;
  const auxiliary = new RemoteKeys({
    ...shared,
    issuer: issuer.issuer,
    alg: 'ES256',
    locate: () => Promise.resolve(uri),
  });
  const whenUnavailable = options.whenStatusUnavailable;
  return {
    keys,
    statusLists: new StatusLists({ ...shared, issuer, keys: auxiliary, whenUnavailable }),
  };
}
