import {
  type KeyPolicy,
  type LifecycleKey,
  maySignFrom,
  publishedByAllFrom,
} from './plan-key-rotation.js';

/** What validators will do wrong when the standby signs before all of them know it. */
export interface KeyOutage {
  /** Validators that fetched the keys before this instant refuse the new tokens. */
  readonly standbyPublishedAt: Date;
  /** When the last of them fetches again. */
  readonly until: Date;
}

export type KeyRevocationPlan =
  /** It is revoked or forgotten already. */
  | { readonly outcome: 'nothing' }
  | { readonly outcome: 'refused'; readonly allowedFrom: Date; readonly outage: KeyOutage }
  /** No key stands by: one is published by the next rotation job. */
  | { readonly outcome: 'no-standby' }
  | {
      readonly outcome: 'revoke';
      /** The key that takes over; null when the revoked one does not sign. */
      readonly switchTo: string | null;
      readonly outage: KeyOutage | null;
    };

/**
 * What revoking `key` at `now` takes. A signing key is replaced before it is dropped, by the key that
 * stands by; if validators' caches may be older than that one, only whoever accepts the outage.
 */
export function planKeyRevocation(
  keys: readonly LifecycleKey[],
  key: LifecycleKey,
  policy: KeyPolicy,
  now: Date,
  acceptOutage: boolean,
): KeyRevocationPlan {
  if (key.unpublishedAt !== null || key.revokedAt !== null) return { outcome: 'nothing' };
  if (key.phase !== 'current') return { outcome: 'revoke', switchTo: null, outage: null };
  const standby = keys.find(({ phase }) => phase === 'next');
  if (!standby) return { outcome: 'no-standby' };
  const allowedFrom = maySignFrom(standby, policy);
  if (allowedFrom <= now) return { outcome: 'revoke', switchTo: standby.kid, outage: null };
  const outage = { standbyPublishedAt: publishedByAllFrom(standby), until: allowedFrom };
  if (!acceptOutage) return { outcome: 'refused', allowedFrom, outage };
  return { outcome: 'revoke', switchTo: standby.kid, outage };
}
