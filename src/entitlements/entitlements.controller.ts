import { Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import {
  EntitlementsQuery,
  entitlementsQuestion,
  EntitlementsView,
  entitlementsView,
} from './entitlements.dto.js';
import { ExplainEntitlements } from './explain-entitlements.js';

@AdminApi('entitlements')
export class EntitlementsController {
  constructor(private readonly explain: ExplainEntitlements) {}

  @Get('licenses/:id/entitlements')
  @ApiOperation({
    summary: 'Which scopes the license has at an instant, with the reasons',
    description:
      'The answer for the instant `at` uses the license, its purchases and the catalog of today, ' +
      'not those of that instant.',
  })
  @ApiOkResponse({ type: EntitlementsView })
  async read(
    @Param('id', UuidParam) licenseId: string,
    @Query(queryValidation) query: EntitlementsQuery,
  ): Promise<EntitlementsView> {
    const question = entitlementsQuestion(query);
    return entitlementsView(await this.explain.ofLicense(licenseId, question));
  }
}
