import {
  type KeyPolicy,
  type LifecycleKey,
  maySignFrom,
  publishedByAllFrom,
} from './plan-key-rotation.js';

/** What fails when the next key signs before all validators know it. */
export interface KeyOutage {
  /** Validators that fetched the keys before this instant refuse the new tokens. */
  readonly nextPublishedAt: Date;
  /** When the last of them has fetched the keys again. */
  readonly until: Date;
}

export type KeyRevocationPlan =
  /** It is revoked or unpublished already. */
  | { readonly outcome: 'nothing' }
  | { readonly outcome: 'refused'; readonly allowedFrom: Date; readonly outage: KeyOutage }
  /** A next key has to be published first. */
  | { readonly outcome: 'no_next_key' }
  | {
      readonly outcome: 'revoke';
      /** The key that signs from then on; null when the revoked key does not sign. */
      readonly switchTo: string | null;
      readonly outage: KeyOutage | null;
    };

/**
 * What revoking `key` at `now` does. The next key replaces a key that signs. If validators may not know
 * the next key yet, the revocation is refused unless the caller accepts the outage.
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
  const next = keys.find(({ phase }) => phase === 'next');
  if (!next) return { outcome: 'no_next_key' };
  const allowedFrom = maySignFrom(next, policy);
  if (allowedFrom <= now) return { outcome: 'revoke', switchTo: next.kid, outage: null };
  const outage = { nextPublishedAt: publishedByAllFrom(next), until: allowedFrom };
  if (!acceptOutage) return { outcome: 'refused', allowedFrom, outage };
  return { outcome: 'revoke', switchTo: next.kid, outage };
}
