import { Delete, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-tokens.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { nextLink, PageQuery } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import { listedReplicaView, ReplicaPage, ReplicaView, replicaView } from './replica-view.js';
import { Replicas } from './replicas.js';

@AdminApi('signing keys')
export class ReplicasController {
  private readonly url: string;

  constructor(
    private readonly replicas: Replicas,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.url = `${config.issuerUrl}/api/v1/replicas`;
  }

  @Get('replicas')
  @ApiOperation({
    summary: 'List the processes of the service, and which keys each of them publishes',
    description: 'A process that ended without taking its row away is listed for 24 hours.',
  })
  @ApiOkResponse({ type: ReplicaPage })
  async list(
    @Query(queryValidation) query: PageQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReplicaPage> {
    const { items, nextCursor } = await this.replicas.list(query);
    if (nextCursor !== null) void reply.header('link', nextLink(this.url, query, nextCursor));
    return {
      items: items.map((replica) => listedReplicaView(replica, this.replicas.isAlive(replica))),
      next_cursor: nextCursor,
    };
  }

  @Delete('replicas/:id')
  @ApiOperation({
    summary: 'Strike a replica out that has ended, so that no switch of keys waits for it',
    description: 'One that lives is back in the list within ten seconds.',
  })
  @ApiOkResponse({ type: ReplicaView })
  async strikeOut(
    @Param('id', UuidParam) id: string,
    @AskedBy() principal: Principal,
  ): Promise<ReplicaView> {
    const replica = await this.replicas.strikeOut(id);
    if (!replica) throw new IssuerError('NOT_FOUND', 'There is no replica with this id.');
    this.logger.warn({ by: principal.name, replica: id }, 'a replica was struck out');
    return replicaView(replica, this.replicas.isAlive(replica));
  }
}
