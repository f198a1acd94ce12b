import { ApiProperty } from '@nestjs/swagger';
import type { Seen } from '../domain/sightings.js';
import { SUSPICION_REASONS, type SuspicionReason } from '../domain/suspicions.js';
import type { AbsurdSeatLink, SightingsOfInstance } from '../instances/sighting-rows.js';

const REASONS =
  'NEW_NETWORK: requests come from a new network and from a known one in turns. ' +
  'TWO_LICENSES: another license is used with the same UUID. ' +
  'HOST_NAME_FLIPS: requests named one host, then another, then the first one again. ' +
  'ABSURD_SEAT_LINK: a seat link had numbers that cannot be true.';

class SeenView {
  @ApiProperty({ type: 'integer', description: 'Syncs and seat links' }) requests!: number;
  @ApiProperty({ type: Date }) first_seen_at!: Date;
  @ApiProperty({ type: Date }) last_seen_at!: Date;

  @ApiProperty({
    type: Date,
    nullable: true,
    description: 'When one of them last came with a previous license key',
  })
  previous_key_last_used_at!: Date | null;
}

export class NetworkView extends SeenView {
  @ApiProperty({
    description: 'A /24 of IPv4, a /48 of IPv6, or `other`: all networks beyond the first ones',
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

  @ApiProperty({ type: Date, description: 'It is shown for 14 days after that' })
  last_at!: Date;

  @ApiProperty({
    type: [String],
    description: 'The networks, host names or ids of licenses that differ, the older one first',
  })
  values!: string[];
}

export class AbsurdNumberView {
  @ApiProperty({ example: 'billable_users_count' }) name!: string;
  @ApiProperty({ description: 'As text: some are larger than any integer' }) value!: string;
}

export class AbsurdSeatLinkView {
  @ApiProperty({ type: Date }) received_at!: Date;
  @ApiProperty({ type: Date }) reported_at!: Date;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;

  @ApiProperty({
    type: [AbsurdNumberView],
    description: 'The numbers that cannot be true, 20 at most',
  })
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
