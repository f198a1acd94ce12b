import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { PageQuery } from '../platform/paging.js';
import { IsText, IsUuid, MayBeAbsent } from '../platform/validators.js';
import type { InstanceEntity } from './instance.entity.js';

export class ListInstancesQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @MayBeAbsent()
  @IsUuid('the id of a license')
  license_id?: string;

  @ApiPropertyOptional({ description: 'The UUID that the instance sends' })
  @MayBeAbsent()
  @IsText()
  instance_id?: string;
}

/** An instance as the admin API shows it. */
export class InstanceView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid' }) license_id!: string;
  @ApiProperty() instance_id!: string;
  @ApiProperty({ type: String, nullable: true }) unique_instance_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;
  @ApiProperty({ type: String, nullable: true }) gitlab_version!: string | null;
  @ApiProperty({ type: Date, nullable: true }) last_sync_at!: Date | null;
  @ApiProperty({ type: Date }) last_seen_at!: Date;
  @ApiProperty({ type: Date }) created_at!: Date;
}

export class InstancePage {
  @ApiProperty({ type: [InstanceView] }) items!: InstanceView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function instanceView(instance: InstanceEntity): InstanceView {
  return {
    id: instance.id,
    license_id: instance.licenseId,
    instance_id: instance.instanceId,
    unique_instance_id: instance.uniqueInstanceId,
    host_name: instance.hostName,
    gitlab_version: instance.gitlabVersion,
    last_sync_at: instance.lastSyncAt,
    last_seen_at: instance.lastSeenAt,
    created_at: instance.createdAt,
  };
}
