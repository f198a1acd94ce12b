import { ApiPropertyOptional } from '@nestjs/swagger';
import { PageQuery } from '../http/paging.js';
import {
  type Flag,
  flagOf,
  FlagParameter,
  IsText,
  IsUuid,
  MayBeAbsent,
} from '../http/validators.js';
import type { InstanceFilter } from './instance.repository.js';

export class ListInstancesQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @MayBeAbsent()
  @IsUuid('the id of a license')
  license_id?: string;

  @ApiPropertyOptional({ description: 'The UUID that the instance sends' })
  @MayBeAbsent()
  @IsText()
  instance_uuid?: string;

  @FlagParameter({ description: 'Whether a live token has scopes that the next one will not have' })
  excess_scopes?: Flag;

  @FlagParameter({
    description: 'Whether its last seat link reported more users or add-on seats than were bought',
  })
  seats_exceeded?: Flag;

  @FlagParameter({
    description: 'Whether somebody else may be using its license key; see `suspicions`',
  })
  suspicious?: Flag;
}

export function instanceFilter(query: ListInstancesQuery): InstanceFilter {
  return {
    licenseId: query.license_id ?? null,
    instanceUuid: query.instance_uuid ?? null,
    excessScopes: flagOf(query.excess_scopes),
    seatsExceeded: flagOf(query.seats_exceeded),
    suspicious: flagOf(query.suspicious),
  };
}
