import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { PageQuery } from '../http/paging.js';
import { IsText, IsUuid, MayBeAbsent } from '../http/validators.js';

export class ListInstancesQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @MayBeAbsent()
  @IsUuid('the id of a license')
  license_id?: string;

  @ApiPropertyOptional({ description: 'The UUID that the instance sends' })
  @MayBeAbsent()
  @IsText()
  instance_id?: string;

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: 'Whether a live token has scopes that the next one will not have',
  })
  @MayBeAbsent()
  @IsIn(['true', 'false'], { message: 'must be true or false' })
  excess_scopes?: 'true' | 'false';

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: 'Whether its last seat link reported more users or add-on seats than were bought',
  })
  @MayBeAbsent()
  @IsIn(['true', 'false'], { message: 'must be true or false' })
  over_used?: 'true' | 'false';

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: 'Whether somebody else seems to use its license key; see `suspicious`',
  })
  @MayBeAbsent()
  @IsIn(['true', 'false'], { message: 'must be true or false' })
  suspicious?: 'true' | 'false';
}
