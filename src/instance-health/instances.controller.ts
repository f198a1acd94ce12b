import { Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { instanceFilter, ListInstancesQuery } from '../instances/instance.dto.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import { InstancePage, InstanceView, instanceView } from './instance-view.js';
import { InstancesService } from './instances.service.js';

@AdminApi('instances')
export class InstancesController {
  constructor(private readonly instances: InstancesService) {}

  @Get('instances')
  @ApiOperation({
    summary: 'List the instances that have synced, oldest first',
    description:
      'The state of their tokens is computed for each page. The filter `excess_scopes` uses the last ' +
      'sweep, which runs every five minutes, and within seconds after a license, a purchase or a ' +
      'revocation has changed.',
  })
  @ApiOkResponse({ type: InstancePage })
  async list(@Query(queryValidation) query: ListInstancesQuery): Promise<InstancePage> {
    const page = await this.instances.list(instanceFilter(query), pageRequest(query));
    return pageBody(page, instanceView);
  }

  @Get('instances/:id')
  @ApiOkResponse({ type: InstanceView })
  async get(@Param('id', UuidParam) id: string): Promise<InstanceView> {
    return instanceView(await this.instances.get(id));
  }
}
