import { Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { UuidParam } from '../platform/uuid-param.js';
import { queryValidation } from '../platform/validation.js';
import { EntitlementsQuery, EntitlementsView, entitlementsView } from './entitlements.dto.js';
import { ExplainEntitlements } from './explain-entitlements.js';

@AdminApi('entitlements')
export class EntitlementsController {
  constructor(private readonly explain: ExplainEntitlements) {}

  @Get('licenses/:id/entitlements')
  @ApiOperation({ summary: 'Which scopes the license has at an instant, and why or why not' })
  @ApiOkResponse({ type: EntitlementsView })
  async read(
    @Param('id', UuidParam) licenseId: string,
    @Query(queryValidation) query: EntitlementsQuery,
  ): Promise<EntitlementsView> {
    return entitlementsView(await this.explain.ofLicense(licenseId, query));
  }
}
