import type { KeyPolicy, LifecycleKey } from './plan-key-rotation.js';

/** The instants that decide until when validators may trust a revoked key. */
export interface RevokedKey extends Pick<LifecycleKey, 'revokedAt' | 'unpublishedAt'> {
  /** When the last replica stopped publishing it, if that was later than `unpublishedAt`. */
  readonly unpublishedLateAt: Date | null;
}

/**
 * Until when a validator that is not restarted may trust a revoked key. The validator caches the key set
 * of the last replica that published the key. Null while a replica may still publish the key, and for a
 * key that is not revoked.
 */
export function trustedUntil(
  key: RevokedKey,
  mayBePublishedBy: number,
  { jwksCacheSeconds }: Pick<KeyPolicy, 'jwksCacheSeconds'>,
): Date | null {
  if (key.revokedAt === null || key.unpublishedAt === null || mayBePublishedBy > 0) return null;
  const lastPublished = Math.max(
    key.unpublishedAt.getTime(),
    key.unpublishedLateAt?.getTime() ?? 0,
  );
  return new Date(lastPublished + jwksCacheSeconds * 1000);
}
