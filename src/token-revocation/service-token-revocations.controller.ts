import { Body, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-token-look-up.js';
import type { LicenseHolder } from '../domain/holder.js';
import { Database } from '../database/database.js';
import { pageOf } from '../database/page.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { UuidParam } from '../http/uuid-param.js';
import { optionalBodyValidation, queryValidation } from '../http/validation.js';
import { platformHolderBodyValidation, platformHolderOf } from './platform-holder.dto.js';
import { RevokeSelfIssuedTokens } from './revoke-self-issued-tokens.js';
import type { RevocationRequest } from './revoke-service-token.js';
import { RevokeServiceTokens } from './revoke-service-tokens.js';
import {
  ListRevocationsQuery,
  revocationRequest,
  RestoreServiceTokensBody,
  revocationFilter,
  RevocationPage,
  RevocationStatusView,
  RevocationView,
  RevokeSelfIssuedTokensBody,
  revocationStatusView,
  revocationView,
  RevokeServiceTokensBody,
} from './service-token-revocation.dto.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';
import { StatusLists } from './status-lists.js';

const REVOKE = {
  summary: 'Revoke all of its tokens, and answer its syncs with null until they are restored',
  description:
    'Its live tokens stay revoked. Instances delete their token when a sync answers null. Doing it twice ' +
    'changes nothing.',
};
const RESTORE = {
  summary: 'Issue tokens again',
  description: 'Revoked tokens stay revoked. `active` lists the revocations that still hold.',
};

@AdminApi('service tokens')
export class ServiceTokenRevocationsController {
  constructor(
    private readonly database: Database,
    private readonly serviceTokens: RevokeServiceTokens,
    private readonly selfIssuedTokens: RevokeSelfIssuedTokens,
    private readonly statusLists: StatusLists,
    private readonly revocations: ServiceTokenRevocationRepository,
  ) {}

  @Post('licenses/:id/service_tokens/revoke')
  @HttpCode(200)
  @ApiOperation(REVOKE)
  @ApiBody({ type: RevokeServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStatusView })
  async revokeOfLicense(
    @Param('id', UuidParam) licenseId: string,
    @Body(optionalBodyValidation) body: RevokeServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStatusView> {
    return this.revoke({ licenseId }, revocationRequest(principal, body));
  }

  @Post('licenses/:id/service_tokens/restore')
  @HttpCode(200)
  @ApiOperation(RESTORE)
  @ApiBody({ type: RestoreServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStatusView })
  async restoreOfLicense(
    @Param('id', UuidParam) licenseId: string,
    @Body(optionalBodyValidation) body: RestoreServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStatusView> {
    const request = revocationRequest(principal, body);
    return revocationStatusView(await this.serviceTokens.restore({ licenseId }, request));
  }

  @Post('instances/:id/service_tokens/revoke')
  @HttpCode(200)
  @ApiOperation(REVOKE)
  @ApiBody({ type: RevokeServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStatusView })
  async revokeOfInstance(
    @Param('id', UuidParam) instanceId: string,
    @Body(optionalBodyValidation) body: RevokeServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStatusView> {
    return this.revoke({ instanceId }, revocationRequest(principal, body));
  }

  @Post('instances/:id/service_tokens/restore')
  @HttpCode(200)
  @ApiOperation(RESTORE)
  @ApiBody({ type: RestoreServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStatusView })
  async restoreOfInstance(
    @Param('id', UuidParam) instanceId: string,
    @Body(optionalBodyValidation) body: RestoreServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStatusView> {
    const request = revocationRequest(principal, body);
    return revocationStatusView(await this.serviceTokens.restore({ instanceId }, request));
  }

  @Post('self_issued_tokens/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke the live self-issued tokens for a user or a namespace, for good',
    description:
      'Status lists show them as revoked, if they have a place in one. The next request for a token ' +
      'gets another as usual: what the user or the namespace may use does not change.',
  })
  @ApiOkResponse({ type: RevocationView })
  async revokeSelfIssued(
    @Body(platformHolderBodyValidation) body: RevokeSelfIssuedTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationView> {
    const request = revocationRequest(principal, body);
    const revocation = await this.selfIssuedTokens.revoke(platformHolderOf(body), request);
    this.statusLists.outdate();
    return revocationView(revocation);
  }

  @Get('service_token_revocations')
  @ApiOperation({ summary: 'Who revoked which tokens, and why, oldest first; restored ones too' })
  @ApiOkResponse({ type: RevocationPage })
  async list(@Query(queryValidation) query: ListRevocationsQuery): Promise<RevocationPage> {
    const page = pageRequest(query);
    const filter = revocationFilter(query);
    const rows = await this.revocations.list(this.database.manager, filter, page);
    return pageBody(pageOf(rows, page), revocationView);
  }

  private async revoke(
    holder: LicenseHolder,
    request: RevocationRequest,
  ): Promise<RevocationStatusView> {
    const status = await this.serviceTokens.revoke(holder, request);
    this.statusLists.outdate();
    return revocationStatusView(status);
  }
}
