import { Body, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-token-look-up.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { optionalBodyValidation, queryValidation } from '../http/validation.js';
import { ReadServiceTokens } from './read-service-tokens.js';
import { RevokeServiceToken } from './revoke-service-token.js';
import { revocationRequest, RevokeServiceTokensBody } from './service-token-revocation.dto.js';
import {
  ListServiceTokensQuery,
  ServiceTokenDetailView,
  serviceTokenDetailView,
  ServiceTokenPage,
  serviceTokenView,
  tokenFilter,
} from './service-token.dto.js';
import { StatusLists } from './status-lists.js';

@AdminApi('service tokens')
export class ServiceTokensController {
  private readonly issuer: string;

  constructor(
    private readonly tokens: ReadServiceTokens,
    private readonly revokeServiceToken: RevokeServiceToken,
    private readonly statusLists: StatusLists,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.issuer = config.issuerUrl;
  }

  @Get('service_tokens')
  @ApiOperation({
    summary: 'List issued tokens, oldest first',
    description:
      'With `license_id`, `instance_id` or `revoked=true` an index finds the tokens. Without them a page ' +
      'reads 10,000 rows of the ledger: it may be short or empty, and more pages may follow.',
  })
  @ApiOkResponse({ type: ServiceTokenPage })
  async list(@Query(queryValidation) query: ListServiceTokensQuery): Promise<ServiceTokenPage> {
    const page = await this.tokens.list(tokenFilter(query), pageRequest(query));
    return pageBody(page, (token) => serviceTokenView(token, this.issuer));
  }

  @Get('service_tokens/:jti')
  @ApiOperation({ summary: 'Read what a token was issued for, and what revoked it' })
  @ApiOkResponse({ type: ServiceTokenDetailView })
  async get(@Param('jti', UuidParam) jti: string): Promise<ServiceTokenDetailView> {
    return serviceTokenDetailView(await this.tokens.get(jti), this.issuer);
  }

  @Post('service_tokens/:jti/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke one token, for good',
    description:
      'Status lists show it as revoked, if `status_list` is not null. The next sync issues another token ' +
      'as usual.',
  })
  @ApiBody({ type: RevokeServiceTokensBody, required: false })
  @ApiOkResponse({ type: ServiceTokenDetailView })
  async revoke(
    @Param('jti', UuidParam) jti: string,
    @Body(optionalBodyValidation) body: RevokeServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<ServiceTokenDetailView> {
    await this.revokeServiceToken.revoke(jti, revocationRequest(principal, body));
    this.statusLists.outdate();
    return this.get(jti);
  }
}
