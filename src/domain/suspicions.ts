import { type Seen, SIGHTINGS_KEPT_MS } from './sightings.js';

const DAY_MS = 86_400_000;
/** A network counts as new for this long. */
const NEW_FOR_MS = 7 * DAY_MS;
/** An instance that used only IPv4 (or only IPv6) for this long does not begin with the other by chance. */
const ONE_STACK_MS = 7 * DAY_MS;
/** An instance goes on sending the seat links of its previous license for two days. */
const HANDOVER_MS = 3 * DAY_MS;
/** A license that ends within this time may have been renewed already. */
const RENEWED_WITHIN_MS = 90 * DAY_MS;

export const SUSPICION_REASONS = [
  'NEW_NETWORK',
  'TWO_LICENSES',
  'HOST_NAME_FLIPS',
  'ABSURD_SEAT_LINK',
] as const;
export type SuspicionReason = (typeof SUSPICION_REASONS)[number];

/** A sign that somebody else uses the license key and the UUID of an instance. */
export interface Suspicion {
  readonly reason: SuspicionReason;
  readonly since: Date;
  /** The last time that it was seen. A suspicion is kept for 14 days after that. */
  readonly lastAt: Date;
  /** The networks, host names or license ids that caused it. */
  readonly values: readonly string[];
}

/** The time in which an instance used a license. */
export interface LicenseUse {
  readonly licenseId: string;
  readonly customerRef: string | null;
  readonly renewsLicenseId: string | null;
  /** The first day on which the license is over. */
  readonly expiresOn: string;
  readonly revokedAt: Date | null;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
}

export interface InstanceUse {
  readonly networks: readonly Seen[];
  readonly hostNames: readonly Seen[];
  readonly license: LicenseUse;
  /** Other licenses that the same instance UUID uses. */
  readonly otherLicenses: readonly LicenseUse[];
  readonly absurdSeatLinkAt: Date | null;
}

/** The signs that one instance is in two places. `known` are the suspicions so far. */
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
 * The order known, new, known, new shows that both networks are in use. A move (known, new, new) does
 * not, nor does a fail-over that ended (known, new, known). A network counts as new for a time only.
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

/** An instance with both IPv4 and IPv6 uses either. The second one shows up soon after the first. */
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

/** A license that renews another is used after it. Two licenses used at the same time are suspicious. */
function secondLicenseOf(one: LicenseUse, other: LicenseUse): Suspicion[] {
  const [before, after] = one.firstSeenAt <= other.firstSeenAt ? [one, other] : [other, one];
  const since = after.firstSeenAt;
  const sideBySide = before.lastSeenAt.getTime() - since.getTime() > HANDOVER_MS;
  const endsSoon = Date.parse(before.expiresOn) - since.getTime() <= RENEWED_WITHIN_MS;
  const sameCustomer = before.customerRef !== null && before.customerRef === after.customerRef;
  const renews = after.renewsLicenseId === before.licenseId;
  const follows = renews || sameCustomer || endsSoon || before.revokedAt !== null;
  if (follows && !sideBySide) return [];
  const lastAt = before.lastSeenAt < after.lastSeenAt ? before.lastSeenAt : after.lastSeenAt;
  const values = [before.licenseId, after.licenseId];
  return [{ reason: 'TWO_LICENSES', since, lastAt: lastAt > since ? lastAt : since, values }];
}

/** One name, another, then the first again. Without the way back, the instance was only renamed. */
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

/** Two suspicions with the same reason become one, with the values that were seen last. */
function joined(one: Suspicion, other: Suspicion): Suspicion {
  const latest = other.lastAt >= one.lastAt ? other : one;
  return { ...latest, since: one.since < other.since ? one.since : other.since };
}
