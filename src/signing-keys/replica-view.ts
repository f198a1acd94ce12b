import { ApiProperty } from '@nestjs/swagger';
import type { ListedReplica, Replica, NotAcknowledgedBy } from './replica.repository.js';

/** The members of a view without its class. */
export type Members<View> = Pick<View, keyof View>;

export class NamedReplicaView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;
  @ApiProperty({ type: 'integer', nullable: true }) process_id!: number | null;
  @ApiProperty({ type: Date }) started_at!: Date;
  @ApiProperty({ type: Date, description: 'When it last acknowledged its keys' }) seen_at!: Date;
}

export class NotAcknowledgedByView {
  @ApiProperty({ type: 'integer' }) total!: number;
  @ApiProperty({
    type: [NamedReplicaView],
    description: 'The latest to acknowledge keys first, at most 10',
  })
  replicas!: NamedReplicaView[];
}

export class ReplicaView extends NamedReplicaView {
  @ApiProperty({ description: 'It acknowledged its keys within the last minute' }) alive!: boolean;
  @ApiProperty({ type: String, nullable: true }) signs_with!: string | null;
  @ApiProperty({ type: [String] }) publishes!: string[];
}

export class ListedReplicaView extends ReplicaView {
  @ApiProperty({ type: [String], description: 'Keys that it should publish and does not' })
  missing_keys!: string[];
  @ApiProperty({ type: [String], description: 'Keys that it publishes and should not' })
  excess_keys!: string[];
}

export class ReplicaPage {
  @ApiProperty({ type: [ListedReplicaView] }) items!: ListedReplicaView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function notAcknowledgedByView({
  total,
  named,
}: NotAcknowledgedBy): Members<NotAcknowledgedByView> {
  return { total, replicas: named.map(namedReplicaView) };
}

export function replicaView(replica: Replica, alive: boolean): Members<ReplicaView> {
  return {
    ...namedReplicaView(replica),
    alive,
    signs_with: replica.signsWith,
    publishes: [...replica.publishes],
  };
}

export function listedReplicaView(replica: ListedReplica, alive: boolean): ListedReplicaView {
  return {
    ...replicaView(replica, alive),
    missing_keys: [...replica.missingKeys],
    excess_keys: [...replica.excessKeys],
  };
}

function namedReplicaView(replica: Replica): Members<NamedReplicaView> {
  return {
    id: replica.id,
    host_name: replica.hostName,
    process_id: replica.processId,
    started_at: replica.startedAt,
    seen_at: replica.seenAt,
  };
}
