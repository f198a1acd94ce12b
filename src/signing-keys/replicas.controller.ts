import { Delete, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-token-look-up.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { pageBody, PageQuery, pageRequest } from '../http/paging.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import { listedReplicaView, ReplicaPage, ReplicaView, replicaView } from './replica-view.js';
import { Replicas } from './replicas.js';

@AdminApi('signing keys')
export class ReplicasController {
  constructor(
    private readonly replicas: Replicas,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get('replicas')
  @ApiOperation({
    summary: 'List the processes of the service, and which keys each of them publishes',
    description: 'A process that was killed is listed for 24 hours after its last acknowledgement.',
  })
  @ApiOkResponse({ type: ReplicaPage })
  async list(@Query(queryValidation) query: PageQuery): Promise<ReplicaPage> {
    const page = await this.replicas.list(pageRequest(query));
    return pageBody(page, (replica) => listedReplicaView(replica, this.replicas.isAlive(replica)));
  }

  @Delete('replicas/:id')
  @ApiOperation({
    summary: 'Remove a replica that has ended, so that no switch of keys waits for it',
    description: 'A replica that is alive returns to the list within ten seconds.',
  })
  @ApiOkResponse({ type: ReplicaView })
  async remove(
    @Param('id', UuidParam) id: string,
    @AskedBy() principal: Principal,
  ): Promise<ReplicaView> {
    const replica = await this.replicas.remove(id);
    if (!replica) throw new IssuerError('NOT_FOUND', 'There is no replica with this id.');
    this.logger.warn({ by: principal.name, replica: id }, 'a replica was removed');
    return replicaView(replica, this.replicas.isAlive(replica));
  }
}
