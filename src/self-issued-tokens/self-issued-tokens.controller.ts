import { Body, Get, Header, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { Clock } from '../platform/clock.js';
import { AllowedToUse } from './allowed-to-use.js';
import {
  AllowedToUseQuery,
  allowedToUseQuestion,
  AllowedToUseView,
  allowedToUseView,
} from './allowed-to-use.dto.js';
import { IssueSelfIssuedToken } from './issue-self-issued-token.js';
import { allowedToUseValidation, SelfIssuedTokenBodyValidation } from './self-issued-input.js';
import {
  IssueSelfIssuedTokenBody,
  selfIssuedRequest,
  SelfIssuedTokenView,
  selfIssuedTokenView,
} from './self-issued-token.dto.js';

@AdminApi('self-issued tokens')
export class SelfIssuedTokensController {
  constructor(
    private readonly tokens: IssueSelfIssuedToken,
    private readonly allowedToUse: AllowedToUse,
    private readonly clock: Clock,
  ) {}

  @Post('self_issued_tokens')
  // RFC 6749 section 5.1: caches must not keep tokens.
  @Header('cache-control', 'no-store')
  @ApiOperation({
    summary: 'Issue a token for one hour, for a user or a namespace of the platform',
  })
  @ApiCreatedResponse({ type: SelfIssuedTokenView })
  async issue(
    @Body(SelfIssuedTokenBodyValidation) body: IssueSelfIssuedTokenBody,
  ): Promise<SelfIssuedTokenView> {
    const request = selfIssuedRequest(body, this.clock.now());
    return selfIssuedTokenView(await this.tokens.issue(request));
  }

  @Get('allowed_to_use')
  @ApiOperation({ summary: 'Whether a user or a namespace may use a unit primitive, and why' })
  @ApiOkResponse({ type: AllowedToUseView })
  async ask(@Query(allowedToUseValidation) query: AllowedToUseQuery): Promise<AllowedToUseView> {
    const decision = await this.allowedToUse.decide(allowedToUseQuestion(query));
    return allowedToUseView(query.unit_primitive, decision);
  }
}
