import { type CalendarDay, dayOf, startOfDay } from './calendar-day.js';

export const LICENSE_KINDS = ['online_cloud', 'offline_cloud', 'legacy'] as const;
export type LicenseKind = (typeof LICENSE_KINDS)[number];

/** A license as it was sold. Its key is a secret and not part of this type. */
export interface License {
  readonly id: string;
  /** One of the catalog's license types. */
  readonly plan: string;
  readonly kind: LicenseKind;
  readonly trial: boolean;
  readonly seats: number;
  readonly startsOn: CalendarDay;
  /** The first day on which the license is over; a grace of 14 days follows. */
  readonly expiresOn: CalendarDay;
  readonly revokedAt: Date | null;
}

export type LicenseDenial =
  'LICENSE_NOT_CLOUD' | 'LICENSE_REVOKED' | 'LICENSE_NOT_STARTED' | 'LICENSE_EXPIRED';

const GRACE_DAYS = 14;

/** The instant from which syncs are denied; no token outlives it. */
export function graceEndsAt(license: Pick<License, 'expiresOn'>): Date {
  return startOfDay(license.expiresOn, GRACE_DAYS);
}

/** The reason why the license gets no token at all at `now`; null when it may get one. */
export function denialOf(license: License, now: Date): LicenseDenial | null {
  if (license.kind === 'legacy') return 'LICENSE_NOT_CLOUD';
  if (license.revokedAt !== null && license.revokedAt <= now) return 'LICENSE_REVOKED';
  if (dayOf(now) < license.startsOn) return 'LICENSE_NOT_STARTED';
  if (now >= graceEndsAt(license)) return 'LICENSE_EXPIRED';
  return null;
}
