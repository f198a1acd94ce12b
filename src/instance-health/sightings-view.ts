import { ApiProperty } from '@nestjs/swagger';
import type { Seen } from '../domain/sightings.js';
import { SUSPICION_REASONS, type SuspicionReason } from '../domain/suspicions.js';
import type { AbsurdSeatLink, SightingsOfInstance } from '../instances/sighting-rows.js';

const REASONS =
  'NEW_NETWORK: it is used from a network that is new and from one that is not, in turns. ' +
  'TWO_LICENSES: its UUID is used with another license too. ' +
  'HOST_NAME_FLIPS: it named one host, then another, then the first one again. ' +
  'ABSURD_SEAT_LINK: it sent a seat link whose numbers cannot be true.';

class SeenView {
  @ApiProperty({ type: 'integer', description: 'Syncs and seat links' }) requests!: number;
  @ApiProperty({ type: Date }) first_seen_at!: Date;
  @ApiProperty({ type: Date }) last_seen_at!: Date;

  @ApiProperty({
    type: Date,
    nullable: true,
    description: 'When one of them last came with an old license key, which was replaced',
  })
  previous_key_last_used_at!: Date | null;
}

export class NetworkView extends SeenView {
  @ApiProperty({
    description: 'A /24 of IPv4, a /48 of IPv6, or `other`: all that found no place of their own',
    example: '192.0.2.0/24',
  })
  network!: string;
}

export class HostNameView extends SeenView {
  @ApiProperty({ description: 'In lower case, or `other`' }) host_name!: string;
}

export class SuspicionView {
  @ApiProperty({ enum: SUSPICION_REASONS, description: REASONS }) reason!: SuspicionReason;
  @ApiProperty({ type: Date }) since!: Date;

  @ApiProperty({ type: Date, description: 'It is shown for 14 days from then on' })
  last_at!: Date;

  @ApiProperty({
    type: [String],
    description:
      'The networks, host names or ids of licenses that it is about, the older one first',
  })
  values!: string[];
}

export class AbsurdNumberView {
  @ApiProperty({ example: 'billable_users_count' }) name!: string;
  @ApiProperty({ description: 'As text: no integer holds some of them' }) value!: string;
}

export class AbsurdSeatLinkView {
  @ApiProperty({ type: Date }) received_at!: Date;
  @ApiProperty({ type: Date }) reported_at!: Date;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;

  @ApiProperty({ type: [AbsurdNumberView], description: 'Those that cannot be true, 20 at most' })
  numbers!: AbsurdNumberView[];
}

interface SightingsView {
  readonly networks: NetworkView[];
  readonly host_names: HostNameView[];
  readonly suspicions: SuspicionView[];
  readonly absurd_seat_link: AbsurdSeatLinkView | null;
}

export function sightingsView(sightings: SightingsOfInstance): SightingsView {
  const { networks, hostNames, suspicions, absurdSeatLink } = sightings;
  return {
    networks: [...networks].sort(latestFirst).map((seen) => ({
      network: seen.value,
      ...seenView(seen),
    })),
    host_names: [...hostNames].sort(latestFirst).map((seen) => ({
      host_name: seen.value,
      ...seenView(seen),
    })),
    suspicions: suspicions.map(({ reason, since, lastAt, values }) => ({
      reason,
      since,
      last_at: lastAt,
      values: [...values],
    })),
    absurd_seat_link: absurdSeatLink && absurdSeatLinkView(absurdSeatLink),
  };
}

function latestFirst(one: Seen, other: Seen): number {
  return other.lastSeenAt.getTime() - one.lastSeenAt.getTime();
}

function seenView(seen: Seen): Pick<SeenView, keyof SeenView> {
  return {
    requests: seen.requests,
    first_seen_at: seen.firstSeenAt,
    last_seen_at: seen.lastSeenAt,
    previous_key_last_used_at: seen.previousKeyLastUsedAt,
  };
}

function absurdSeatLinkView(seatLink: AbsurdSeatLink): AbsurdSeatLinkView {
  return {
    received_at: seatLink.receivedAt,
    reported_at: seatLink.reportedAt,
    host_name: seatLink.hostName,
    numbers: seatLink.numbers.map(({ name, value }) => ({ name, value })),
  };
}
