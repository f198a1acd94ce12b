import { Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { Database } from '../database/database.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { queryValidation } from '../http/validation.js';
import {
  LedgerCheckpointPage,
  LedgerCheckpointView,
  ledgerCheckpointView,
  ListCheckpointsQuery,
} from './ledger-checkpoint.dto.js';
import { LedgerCheckpointRepository } from './ledger-checkpoint.repository.js';

/** Operators copy checkpoints to another place: then nobody here can take one back. */
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
    const page = await this.checkpoints.list(this.database.pool, pageRequest(query));
    return pageBody(page, ledgerCheckpointView);
  }

  @Get('ledger_checkpoints/:number')
  @ApiOkResponse({ type: LedgerCheckpointView })
  async get(@Param('number') number: string): Promise<LedgerCheckpointView> {
    return ledgerCheckpointView(await this.checkpoints.get(this.database.pool, number));
  }
}
