import { MAX_PLACES, OTHER, type Sighting } from '../domain/sightings.js';
import { networkOf } from '../platform/ip-network.js';

const NETWORK = { ipv4: 24, ipv6: 48 } as const;
const MAX_INSTANCES = 10_000;
/** The holder of one key can invent instances, and must not take every place. */
const MAX_INSTANCES_OF_A_LICENSE = 200;

/** A request that was admitted by a license key. */
export interface AdmittedRequest {
  readonly licenseId: string;
  /** The instance UUID. */
  readonly instanceId: string;
  /** Null when it is not known. */
  readonly address: string | null;
  readonly hostName: string | null;
  /** Whether the key was a previous one of the license. */
  readonly byPreviousKey: boolean;
  readonly at: Date;
}

/** The sightings of an instance in the last seconds. */
export interface SeenInstance {
  readonly licenseId: string;
  readonly instanceId: string;
  readonly networks: readonly Sighting[];
  readonly hostNames: readonly Sighting[];
}

type Sightings = Map<string, Sighting>;

interface Place {
  readonly licenseId: string;
  readonly instanceId: string;
  readonly networks: Sightings;
  readonly hostNames: Sightings;
}

/** Counts where requests come from. The number of places is bounded; the first instances get them. */
export class SightingCounts {
  private readonly places = new Map<string, Place>();
  private readonly instancesByLicense = new Map<string, number>();

  /** @returns false if there was no place for it */
  note(request: AdmittedRequest): boolean {
    const place = this.placeOf(request.licenseId, request.instanceId);
    if (!place) return false;
    const { address, at, byPreviousKey, hostName } = request;
    const seen = { requests: 1, firstSeenAt: at, lastSeenAt: at };
    const sighting = { ...seen, previousKeyLastUsedAt: byPreviousKey ? at : null };
    add(place.networks, { ...sighting, value: networkOf(address ?? '', NETWORK) ?? OTHER });
    // Host names are compared without regard to case (RFC 4343).
    if (hostName !== null) add(place.hostNames, { ...sighting, value: hostName.toLowerCase() });
    return true;
  }

  /** Takes back what could not be written, if there is still a place. */
  restore({ licenseId, instanceId, networks, hostNames }: SeenInstance): void {
    const place = this.placeOf(licenseId, instanceId);
    if (!place) return;
    for (const network of networks) add(place.networks, network);
    for (const hostName of hostNames) add(place.hostNames, hostName);
  }

  all(): SeenInstance[] {
    return [...this.places.values()].map(({ licenseId, instanceId, networks, hostNames }) => ({
      licenseId,
      instanceId,
      networks: [...networks.values()],
      hostNames: [...hostNames.values()],
    }));
  }

  private placeOf(licenseId: string, instanceId: string): Place | null {
    const name = `${licenseId} ${instanceId}`;
    const known = this.places.get(name);
    if (known) return known;
    const ofLicense = this.instancesByLicense.get(licenseId) ?? 0;
    if (this.places.size >= MAX_INSTANCES || ofLicense >= MAX_INSTANCES_OF_A_LICENSE) return null;
    const place = { licenseId, instanceId, networks: new Map(), hostNames: new Map() };
    this.places.set(name, place);
    this.instancesByLicense.set(licenseId, ofLicense + 1);
    return place;
  }
}

function add(sightings: Sightings, sighting: Sighting): void {
  const isFull = sightings.size >= MAX_PLACES - 1;
  const value = isFull && !sightings.has(sighting.value) ? OTHER : sighting.value;
  const known = sightings.get(value);
  sightings.set(value, known ? sum(known, sighting) : { ...sighting, value });
}

function sum(one: Sighting, other: Sighting): Sighting {
  return {
    value: one.value,
    requests: one.requests + other.requests,
    firstSeenAt: one.firstSeenAt < other.firstSeenAt ? one.firstSeenAt : other.firstSeenAt,
    lastSeenAt: one.lastSeenAt > other.lastSeenAt ? one.lastSeenAt : other.lastSeenAt,
    previousKeyLastUsedAt: other.previousKeyLastUsedAt ?? one.previousKeyLastUsedAt,
  };
}
