import { Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { Database } from '../database/database.js';
import { nextLink, pageOf, rowsToFetch } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { queryValidation } from '../http/validation.js';
import {
  LedgerCheckpointPage,
  LedgerCheckpointView,
  ListCheckpointsQuery,
} from './ledger-checkpoint.dto.js';
import { LedgerCheckpointRepository } from './ledger-checkpoint.repository.js';

/** For whoever keeps checkpoints elsewhere: then nobody here can take one back. */
@AdminApi('ledger checkpoints')
export class LedgerCheckpointsController {
  constructor(
    private readonly database: Database,
    private readonly checkpoints: LedgerCheckpointRepository,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  @Get('ledger_checkpoints')
  @ApiOperation({ summary: 'List the signed checkpoints of the ledger, oldest first' })
  @ApiOkResponse({ type: LedgerCheckpointPage })
  async list(
    @Query(queryValidation) query: ListCheckpointsQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LedgerCheckpointPage> {
    const limit = rowsToFetch(query);
    const rows = await this.checkpoints.list(this.database.pool, query.cursor ?? '0', limit);
    const identified = rows.map((view) => ({ id: String(view.number), view }));
    const { items, nextCursor } = pageOf(identified, query);
    if (nextCursor !== null) {
      const url = `${this.config.issuerUrl}/api/v1/ledger_checkpoints`;
      void reply.header('link', nextLink(url, query, nextCursor));
    }
    return { items: items.map(({ view }) => view), next_cursor: nextCursor };
  }

  @Get('ledger_checkpoints/:number')
  @ApiOkResponse({ type: LedgerCheckpointView })
  async get(@Param('number') number: string): Promise<LedgerCheckpointView> {
    return this.checkpoints.get(this.database.pool, number);
  }
}
