import { type Seen, SIGHTINGS_KEPT_MS } from './sightings.js';

const DAY_MS = 86_400_000;
/** A network is new for so long. */
const NEW_FOR_MS = 7 * DAY_MS;
/** An instance that has used IPv4 alone, or IPv6 alone, for so long does not begin with the other by chance. */
const ONE_STACK_MS = 7 * DAY_MS;
/** Seat links of the license before are sent again for two days. */
const HANDOVER_MS = 3 * DAY_MS;
/** A license that ends so soon is being renewed. */
const RENEWED_WITHIN_MS = 90 * DAY_MS;

export const SUSPICION_REASONS = [
  'NEW_NETWORK',
  'TWO_LICENSES',
  'HOST_NAME_FLIPS',
  'ABSURD_SEAT_LINK',
] as const;
export type SuspicionReason = (typeof SUSPICION_REASONS)[number];

/** Why somebody else may be using the license key and the UUID of an instance. */
export interface Suspicion {
  readonly reason: SuspicionReason;
  readonly since: Date;
  /** When it was last so. A suspicion is kept for 14 days from then on. */
  readonly lastAt: Date;
  /** The networks, host names or ids of licenses that it is about. */
  readonly values: readonly string[];
}

/** How long an instance has been using a license. */
export interface LicenseUse {
  readonly licenseId: string;
  readonly customerRef: string | null;
  /** A day: the first one on which the license is over. */
  readonly expiresOn: string;
  readonly revokedAt: Date | null;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
}

export interface InstanceUse {
  readonly networks: readonly Seen[];
  readonly hostNames: readonly Seen[];
  readonly license: LicenseUse;
  /** The uses of other licenses with the same instance UUID. */
  readonly otherLicenses: readonly LicenseUse[];
  readonly absurdSeatLinkAt: Date | null;
}

/** How an instance that is in one place looks as if it were in two. `known`: what was found before. */
export function suspicionsOf(
  use: InstanceUse,
  known: readonly Suspicion[],
  now: Date,
): readonly Suspicion[] {
  const found = [
    ...known,
    ...use.networks.flatMap((network) => newNetworkOf(network, use.networks)),
    ...use.otherLicenses.flatMap((other) => secondLicenseOf(use.license, other)),
    ...use.hostNames.flatMap((name) => flipOf(name, use.hostNames)),
    ...absurdSeatLinkOf(use.absurdSeatLinkAt),
  ];
  return SUSPICION_REASONS.flatMap((reason) => {
    const [first, ...others] = found.filter(
      (one) => one.reason === reason && suspiciousUntil(one) > now,
    );
    return first ? [others.reduce(joined, first)] : [];
  });
}

export function suspiciousUntil({ lastAt }: Pick<Suspicion, 'lastAt'>): Date {
  return new Date(lastAt.getTime() + SIGHTINGS_KEPT_MS);
}

/**
 * Known, new, known, new: both are in use. A move (known, new, new) is not that, nor is a fail-over
 * and its end (known, new, known), nor what was there when the network was new long ago.
 */
function newNetworkOf(network: Seen, networks: readonly Seen[]): Suspicion[] {
  const { returned, firstSeenAt } = network;
  const before = networks.find(({ value }) => value === returned?.after);
  if (returned === null || !before || before.firstSeenAt >= firstSeenAt) return [];
  if (returned.at.getTime() - firstSeenAt.getTime() > NEW_FOR_MS) return [];
  if (isSecondStack(network, before, networks)) return [];
  const values = [before.value, network.value];
  return [{ reason: 'NEW_NETWORK', since: firstSeenAt, lastAt: returned.at, values }];
}

/** An instance that has both IPv4 and IPv6 uses either; the second one shows up soon after the first. */
function isSecondStack(network: Seen, before: Seen, networks: readonly Seen[]): boolean {
  const isFirstOfItsKind = !networks.some(
    (other) =>
      other.firstSeenAt < network.firstSeenAt && isIpv6(other.value) === isIpv6(network.value),
  );
  const alone = network.firstSeenAt.getTime() - before.firstSeenAt.getTime();
  return isFirstOfItsKind && alone < ONE_STACK_MS;
}

function isIpv6(network: string): boolean {
  return network.includes(':');
}

/** A license that follows another is used after it. Two that are used side by side are suspicious. */
function secondLicenseOf(one: LicenseUse, other: LicenseUse): Suspicion[] {
  const [before, after] = one.firstSeenAt <= other.firstSeenAt ? [one, other] : [other, one];
  const since = after.firstSeenAt;
  const sideBySide = before.lastSeenAt.getTime() - since.getTime() > HANDOVER_MS;
  const endsSoon = Date.parse(before.expiresOn) - since.getTime() <= RENEWED_WITHIN_MS;
  const sameCustomer = before.customerRef !== null && before.customerRef === after.customerRef;
  const follows = sameCustomer || endsSoon || before.revokedAt !== null;
  if (follows && !sideBySide) return [];
  const lastAt = before.lastSeenAt < after.lastSeenAt ? before.lastSeenAt : after.lastSeenAt;
  const values = [before.licenseId, after.licenseId];
  return [{ reason: 'TWO_LICENSES', since, lastAt: lastAt > since ? lastAt : since, values }];
}

/** One, another, the first again. Without the way back an instance was renamed. */
function flipOf({ value, returned }: Seen, names: readonly Seen[]): Suspicion[] {
  if (returned === null) return [];
  const between = names.find((name) => name.value === returned.after);
  const since = between && between.firstSeenAt < returned.at ? between.firstSeenAt : returned.at;
  const values = [value, returned.after];
  return [{ reason: 'HOST_NAME_FLIPS', since, lastAt: returned.at, values }];
}

function absurdSeatLinkOf(at: Date | null): Suspicion[] {
  return at === null ? [] : [{ reason: 'ABSURD_SEAT_LINK', since: at, lastAt: at, values: [] }];
}

/** Of the same reason: what it is about is what was seen last. */
function joined(one: Suspicion, other: Suspicion): Suspicion {
  const latest = other.lastAt >= one.lastAt ? other : one;
  return { ...latest, since: one.since < other.since ? one.since : other.since };
}
