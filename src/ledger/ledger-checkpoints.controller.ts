import { Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { Database } from '../database/database.js';
import { pageOf, rowsToFetch } from '../database/page.js';
import { pageBody, pageRequest } from '../http/paging.js';
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
  ) {}

  @Get('ledger_checkpoints')
  @ApiOperation({ summary: 'List the signed checkpoints of the ledger, oldest first' })
  @ApiOkResponse({ type: LedgerCheckpointPage })
  async list(@Query(queryValidation) query: ListCheckpointsQuery): Promise<LedgerCheckpointPage> {
    const page = pageRequest(query);
    const limit = rowsToFetch(page);
    const rows = await this.checkpoints.list(this.database.pool, page.after ?? '0', limit);
    const identified = rows.map((view) => ({ id: String(view.number), view }));
    return pageBody(pageOf(identified, page), ({ view }) => view);
  }

  @Get('ledger_checkpoints/:number')
  @ApiOkResponse({ type: LedgerCheckpointView })
  async get(@Param('number') number: string): Promise<LedgerCheckpointView> {
    return this.checkpoints.get(this.database.pool, number);
  }
}
