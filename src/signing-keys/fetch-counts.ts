import { networkOf } from '../platform/ip-network.js';

/** Clients that come when all places are taken count under this name. */
const OTHER = 'other';
const NO_AGENT = 'none';
/** Of each newest key. */
const MAX_PLACES = 200;
/** Otherwise one network could take every place with ever new user agents. */
const MAX_AGENTS_OF_A_NETWORK = 10;
const MAX_AGENT_LENGTH = 120;
const NETWORK = { ipv4: 24, ipv6: 48 } as const;
/** Control characters, lone surrogates, and characters that change how the text around them looks. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** How often clients of one kind fetched the key set while `newestKid` was its newest key. */
export interface FetchCount {
  readonly newestKid: string;
  readonly userAgent: string;
  /** A /24 of IPv4 or a /48 of IPv6. */
  readonly network: string;
  readonly fetches: number;
  readonly firstFetchedAt: Date;
  readonly lastFetchedAt: Date;
}

/** @param address null when it is not known */
export function oneFetch(
  newestKid: string,
  userAgent: string | undefined,
  address: string | null,
  now: Date,
): FetchCount {
  const agent = (userAgent ?? '').slice(0, MAX_AGENT_LENGTH).replace(UNPRINTABLE, '').trim();
  return {
    newestKid,
    userAgent: agent === '' ? NO_AGENT : agent,
    network: networkOf(address ?? '', NETWORK) ?? OTHER,
    fetches: 1,
    firstFetchedAt: now,
    lastFetchedAt: now,
  };
}

/** Counts in a bounded number of places, first come, first served. The last place counts all others. */
export class FetchCounts {
  private readonly counts = new Map<string, FetchCount>();
  /** How many places a key, and a network of a key, has. */
  private readonly taken = new Map<string, number>();

  add(count: FetchCount): void {
    const place = this.placeOf(count);
    const name = nameOf(place);
    const known = this.counts.get(name);
    this.counts.set(name, known ? sum(known, count) : place);
    if (known) return;
    for (const owner of [place.newestKid, networkNameOf(place)]) {
      this.taken.set(owner, (this.taken.get(owner) ?? 0) + 1);
    }
  }

  all(): FetchCount[] {
    return [...this.counts.values()];
  }

  private placeOf(count: FetchCount): FetchCount {
    if (this.counts.has(nameOf(count))) return count;
    const crowded = (this.taken.get(networkNameOf(count)) ?? 0) >= MAX_AGENTS_OF_A_NETWORK;
    const place = crowded ? { ...count, userAgent: OTHER } : count;
    const full = (this.taken.get(count.newestKid) ?? 0) >= MAX_PLACES - 1;
    if (!full || this.counts.has(nameOf(place))) return place;
    return { ...count, userAgent: OTHER, network: OTHER };
  }
}

function sum(one: FetchCount, other: FetchCount): FetchCount {
  return {
    ...one,
    fetches: one.fetches + other.fetches,
    firstFetchedAt:
      one.firstFetchedAt < other.firstFetchedAt ? one.firstFetchedAt : other.firstFetchedAt,
    lastFetchedAt:
      one.lastFetchedAt > other.lastFetchedAt ? one.lastFetchedAt : other.lastFetchedAt,
  };
}

/** Unambiguous: neither a `kid` nor a network contains a space. */
function nameOf(count: FetchCount): string {
  return `${networkNameOf(count)} ${count.userAgent}`;
}

function networkNameOf({ newestKid, network }: FetchCount): string {
  return `${newestKid} ${network}`;
}
