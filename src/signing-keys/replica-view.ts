import { ApiProperty } from '@nestjs/swagger';
import type { ListedReplica, Replica, ReplicasBehind } from './replica.repository.js';

/** The members of a view without its class: views are put together of them. */
export type Members<View> = Pick<View, keyof View>;

/** What an operator needs to find a process. */
export class NamedReplicaView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;
  @ApiProperty({ type: 'integer', nullable: true }) process_id!: number | null;
  @ApiProperty({ type: Date }) started_at!: Date;
  @ApiProperty({ type: Date, description: 'When it acknowledged its keys last' }) seen_at!: Date;
}

export class NotAcknowledgedByView {
  @ApiProperty({ type: 'integer' }) total!: number;
  @ApiProperty({
    type: [NamedReplicaView],
    description: 'Those that were heard of last, 10 at most',
  })
  replicas!: NamedReplicaView[];
}

export class ReplicaView extends NamedReplicaView {
  @ApiProperty({ description: 'It was heard of within a minute' }) alive!: boolean;
  @ApiProperty({ type: String, nullable: true }) signs_with!: string | null;
  @ApiProperty({ type: [String] }) publishes!: string[];
}

export class ListedReplicaView extends ReplicaView {
  @ApiProperty({ type: [String], description: 'Published keys that it does not publish' })
  lacks!: string[];
  @ApiProperty({ type: [String], description: 'Keys that it publishes although nobody should' })
  still_publishes!: string[];
}

export class ReplicaPage {
  @ApiProperty({ type: [ListedReplicaView] }) items!: ListedReplicaView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function notAcknowledgedByView({
  total,
  named,
}: ReplicasBehind): Members<NotAcknowledgedByView> {
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
    lacks: [...replica.lacks],
    still_publishes: [...replica.stillPublishes],
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
