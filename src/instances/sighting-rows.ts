import type { AbsurdNumber } from '../domain/seat-report.js';
import { type Seen, SIGHTINGS_KEPT_MS } from '../domain/sightings.js';
import { type LicenseUse, type Suspicion, suspiciousUntil } from '../domain/suspicions.js';

/** A seat link whose numbers cannot be true. */
export interface AbsurdSeatLink {
  readonly receivedAt: Date;
  readonly reportedAt: Date;
  readonly hostName: string | null;
  readonly numbers: readonly AbsurdNumber[];
}

/** The sightings of an instance as JSON holds them: instants are texts there. */
export interface InstanceSightingsRow {
  readonly instanceId: string;
  readonly networks: readonly SeenRow[];
  readonly hostNames: readonly SeenRow[];
  readonly absurdSeatLink: AbsurdSeatLinkRow | null;
  readonly suspicions: readonly SuspicionRow[];
}

export interface LicenseUseRow {
  readonly licenseId: string;
  readonly customerRef: string | null;
  readonly renewsLicenseId: string | null;
  readonly expiresOn: string;
  readonly revokedAt: string | null;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
}

interface SeenRow {
  readonly value: string;
  readonly requests: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  readonly previousKeyLastUsedAt: string | null;
  readonly returned: { readonly at: string; readonly after: string } | null;
}

interface AbsurdSeatLinkRow {
  readonly receivedAt: string;
  readonly reportedAt: string;
  readonly hostName: string | null;
  readonly numbers: readonly AbsurdNumber[];
}

type SuspicionRow = Omit<Suspicion, 'since' | 'lastAt'> & {
  readonly since: string;
  readonly lastAt: string;
};

/** Where an instance was seen in the last 14 days. */
export interface SightingsOfInstance {
  readonly networks: readonly Seen[];
  readonly hostNames: readonly Seen[];
  readonly absurdSeatLink: AbsurdSeatLink | null;
  readonly suspicions: readonly Suspicion[];
}

export const NOT_SEEN: SightingsOfInstance = {
  networks: [],
  hostNames: [],
  absurdSeatLink: null,
  suspicions: [],
};

/** Leaves out what is too old at `now`. */
export function sightingsOf(row: InstanceSightingsRow, now: Date): SightingsOfInstance {
  const keptSince = new Date(now.getTime() - SIGHTINGS_KEPT_MS);
  const absurd = row.absurdSeatLink === null ? null : absurdSeatLinkOf(row.absurdSeatLink);
  return {
    networks: row.networks.map(seenOf).filter(({ lastSeenAt }) => lastSeenAt > keptSince),
    hostNames: row.hostNames.map(seenOf).filter(({ lastSeenAt }) => lastSeenAt > keptSince),
    absurdSeatLink: absurd !== null && absurd.receivedAt > keptSince ? absurd : null,
    suspicions: row.suspicions.map(suspicionOf).filter((one) => suspiciousUntil(one) > now),
  };
}

export function licenseUseOf(row: LicenseUseRow): LicenseUse {
  return {
    licenseId: row.licenseId,
    customerRef: row.customerRef,
    renewsLicenseId: row.renewsLicenseId,
    expiresOn: row.expiresOn,
    revokedAt: dateOrNull(row.revokedAt),
    firstSeenAt: new Date(row.firstSeenAt),
    lastSeenAt: new Date(row.lastSeenAt),
  };
}

function seenOf(row: SeenRow): Seen {
  const { returned } = row;
  return {
    ...row,
    firstSeenAt: new Date(row.firstSeenAt),
    lastSeenAt: new Date(row.lastSeenAt),
    previousKeyLastUsedAt: dateOrNull(row.previousKeyLastUsedAt),
    returned: returned && { ...returned, at: new Date(returned.at) },
  };
}

function absurdSeatLinkOf(row: AbsurdSeatLinkRow): AbsurdSeatLink {
  return { ...row, receivedAt: new Date(row.receivedAt), reportedAt: new Date(row.reportedAt) };
}

function suspicionOf(row: SuspicionRow): Suspicion {
  return { ...row, since: new Date(row.since), lastAt: new Date(row.lastAt) };
}

function dateOrNull(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
