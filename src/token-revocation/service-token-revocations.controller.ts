import { Body, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-tokens.js';
import { Database } from '../database/database.js';
import { pageOf } from '../database/page.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { UuidParam } from '../http/uuid-param.js';
import { bodyValidation, optionalBodyValidation, queryValidation } from '../http/validation.js';
import { RevokeSelfIssuedTokens } from './revoke-self-issued-tokens.js';
import { RevokeServiceTokens } from './revoke-service-tokens.js';
import {
  ListRevocationsQuery,
  orderOf,
  RestoreServiceTokensBody,
  revocationFilter,
  RevocationPage,
  RevocationStandingView,
  RevocationView,
  RevokeSelfIssuedTokensBody,
  revocationStandingView,
  revocationView,
  RevokeServiceTokensBody,
  whomOf,
} from './service-token-revocation.dto.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';
import { StatusLists } from './status-lists.js';

const REVOKE = {
  summary: 'Have its syncs answer null until it is restored: instances delete their tokens',
  description: 'Its live tokens are revoked for good. Twice does nothing.',
};
const RESTORE = {
  summary: 'Issue tokens again',
  description: 'Tokens that were revoked stay revoked. `active` says what still stands against it.',
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
  @ApiOkResponse({ type: RevocationStandingView })
  async revokeOfLicense(
    @Param('id', UuidParam) licenseId: string,
    @Body(optionalBodyValidation) body: RevokeServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStandingView> {
    const standing = await this.serviceTokens.revoke({ licenseId }, orderOf(principal, body));
    this.statusLists.outdate();
    return revocationStandingView(standing);
  }

  @Post('licenses/:id/service_tokens/restore')
  @HttpCode(200)
  @ApiOperation(RESTORE)
  @ApiBody({ type: RestoreServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStandingView })
  async restoreOfLicense(
    @Param('id', UuidParam) licenseId: string,
    @Body(optionalBodyValidation) body: RestoreServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStandingView> {
    const standing = await this.serviceTokens.restore({ licenseId }, orderOf(principal, body));
    return revocationStandingView(standing);
  }

  @Post('instances/:id/service_tokens/revoke')
  @HttpCode(200)
  @ApiOperation(REVOKE)
  @ApiBody({ type: RevokeServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStandingView })
  async revokeOfInstance(
    @Param('id', UuidParam) instanceId: string,
    @Body(optionalBodyValidation) body: RevokeServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStandingView> {
    const standing = await this.serviceTokens.revoke({ instanceId }, orderOf(principal, body));
    this.statusLists.outdate();
    return revocationStandingView(standing);
  }

  @Post('instances/:id/service_tokens/restore')
  @HttpCode(200)
  @ApiOperation(RESTORE)
  @ApiBody({ type: RestoreServiceTokensBody, required: false })
  @ApiOkResponse({ type: RevocationStandingView })
  async restoreOfInstance(
    @Param('id', UuidParam) instanceId: string,
    @Body(optionalBodyValidation) body: RestoreServiceTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationStandingView> {
    const standing = await this.serviceTokens.restore({ instanceId }, orderOf(principal, body));
    return revocationStandingView(standing);
  }

  @Post('self_issued_tokens/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke the live self-issued tokens for a user or a namespace, for good',
    description:
      'Status lists tell of them, if they have a place in one. The next request for a token issues ' +
      'another as usual: what the user or the namespace may use does not change.',
  })
  @ApiOkResponse({ type: RevocationView })
  async revokeSelfIssued(
    @Body(bodyValidation) body: RevokeSelfIssuedTokensBody,
    @AskedBy() principal: Principal,
  ): Promise<RevocationView> {
    const order = orderOf(principal, body);
    const revocation = await this.selfIssuedTokens.revoke(whomOf(body), order);
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
}
