import { Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { ListInstancesQuery } from '../instances/instance.dto.js';
import { nextLink } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import { InstancePage, InstanceView, instanceView } from './instance-view.js';
import { InstancesService } from './instances.service.js';

@AdminApi('instances')
export class InstancesController {
  constructor(
    private readonly instances: InstancesService,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  @Get('instances')
  @ApiOperation({
    summary: 'List the instances that have synced, oldest first',
    description:
      'What is told of their tokens is computed for the page as it is asked for. The filter ' +
      '`excess_scopes` goes by the last sweep, which runs every five minutes and within seconds of ' +
      'a change of a license or a purchase.',
  })
  @ApiOkResponse({ type: InstancePage })
  async list(
    @Query(queryValidation) query: ListInstancesQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<InstancePage> {
    const { items, nextCursor } = await this.instances.list(query);
    if (nextCursor !== null) {
      const url = `${this.config.issuerUrl}/api/v1/instances`;
      void reply.header('link', nextLink(url, query, nextCursor));
    }
    return { items: items.map(instanceView), next_cursor: nextCursor };
  }

  @Get('instances/:id')
  @ApiOkResponse({ type: InstanceView })
  async get(@Param('id', UuidParam) id: string): Promise<InstanceView> {
    return instanceView(await this.instances.get(id));
  }
}
