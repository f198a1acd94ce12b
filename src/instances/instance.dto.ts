import { ApiPropertyOptional } from '@nestjs/swagger';
import { PageQuery } from '../platform/paging.js';
import { IsText, IsUuid, MayBeAbsent } from '../platform/validators.js';

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
