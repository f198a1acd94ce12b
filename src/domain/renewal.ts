import { denialOf, type License } from './license.js';

/**
 * The license that the seat links of `license` are answered with: the last one of its line that gets
 * tokens at `now`, else `license` itself. Revoked, legacy and ended renewals are passed over. The key of
 * a revoked license opens no renewal: it may be in the wrong hands.
 * @param renewals the licenses that renew it, one after the other
 */
export function newestStarted<Kept extends License>(
  license: Kept,
  renewals: readonly Kept[],
  now: Date,
): Kept {
  if (isRevoked(license, now)) return license;
  return renewals.findLast((renewal) => denialOf(renewal, now) === null) ?? license;
}

/** The renewal that a denial names: the last one that gets tokens, else the first one to start. */
export function renewalInSight<Kept extends License>(
  renewals: readonly Kept[],
  now: Date,
): Kept | null {
  const started = renewals.findLast((renewal) => denialOf(renewal, now) === null);
  return started ?? renewals.find((one) => denialOf(one, now) === 'LICENSE_NOT_STARTED') ?? null;
}

export function isRevoked({ revokedAt }: Pick<License, 'revokedAt'>, now: Date): boolean {
  return revokedAt !== null && revokedAt <= now;
}
