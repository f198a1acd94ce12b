const DAY_MS = 86_400_000;

/** How long a network or a host name is kept after it was last seen. */
export const SIGHTINGS_KEPT_MS = 14 * DAY_MS;
/** For each instance. When all places are taken, new values share the last one. */
export const MAX_PLACES = 20;
export const OTHER = 'other';
/** A value that comes back later than this counts as a move back. */
const RETURNS_WITHIN_MS = 7 * DAY_MS;

/** Requests of an instance from the same network, or with the same host name. */
export interface Sighting {
  readonly value: string;
  readonly requests: number;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
  /** The last request with a license key that had been replaced. */
  readonly previousKeyLastUsedAt: Date | null;
}

/** A network or a host name of an instance, for as long as it is kept. */
export interface Seen extends Sighting {
  /** When it was last seen again after another value, and that value (of several, the one known longest). */
  readonly returned: { readonly at: Date; readonly after: string } | null;
}

/**
 * Adds the sightings of a few seconds to those that are kept. New values never push out old ones, so a
 * flood of them does no harm.
 */
export function withSightings(
  kept: readonly Seen[],
  sightings: readonly Sighting[],
  now: Date,
): readonly Seen[] {
  const keptSince = now.getTime() - SIGHTINGS_KEPT_MS;
  const places = new Map(
    kept
      .filter(({ lastSeenAt }) => lastSeenAt.getTime() > keptSince)
      .map((seen) => [seen.value, seen]),
  );
  for (const sighting of sightings.flatMap(endsOf).sort(byTime)) {
    const isFull = places.size >= MAX_PLACES - 1;
    const value = isFull && !places.has(sighting.value) ? OTHER : sighting.value;
    places.set(value, seenAgain({ ...sighting, value }, places));
  }
  return [...places.values()];
}

/** Between two flushes only the first and the last sighting are known. */
function endsOf(sighting: Sighting): Sighting[] {
  const { firstSeenAt, lastSeenAt } = sighting;
  if (firstSeenAt.getTime() === lastSeenAt.getTime()) return [sighting];
  return [
    { ...sighting, lastSeenAt: firstSeenAt },
    { ...sighting, firstSeenAt: lastSeenAt, requests: 0 },
  ];
}

function byTime(one: Sighting, other: Sighting): number {
  return one.firstSeenAt.getTime() - other.firstSeenAt.getTime();
}

function seenAgain(sighting: Sighting, places: ReadonlyMap<string, Seen>): Seen {
  const known = places.get(sighting.value);
  if (!known) return { ...sighting, returned: null };
  return {
    value: known.value,
    requests: known.requests + sighting.requests,
    firstSeenAt: earlier(known.firstSeenAt, sighting.firstSeenAt),
    lastSeenAt: later(known.lastSeenAt, sighting.lastSeenAt),
    previousKeyLastUsedAt: laterOrNull(known.previousKeyLastUsedAt, sighting.previousKeyLastUsedAt),
    returned: returnOf(known, sighting.lastSeenAt, places) ?? known.returned,
  };
}

/** Null when no other value was seen after `known`, or too long ago. */
function returnOf(known: Seen, at: Date, places: ReadonlyMap<string, Seen>): Seen['returned'] {
  const { lastSeenAt } = known;
  if (at.getTime() - lastSeenAt.getTime() > RETURNS_WITHIN_MS) return null;
  const [longest] = [...places.values()]
    .filter((other) => other.lastSeenAt > lastSeenAt && other.lastSeenAt <= at)
    .sort((one, other) => one.firstSeenAt.getTime() - other.firstSeenAt.getTime());
  return longest ? { at, after: longest.value } : null;
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

function later(one: Date, other: Date): Date {
  return one > other ? one : other;
}

function laterOrNull(one: Date | null, other: Date | null): Date | null {
  return one !== null && other !== null ? later(one, other) : (one ?? other);
}
