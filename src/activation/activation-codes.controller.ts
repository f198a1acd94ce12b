import { Body, Delete, Get, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import { flagOf } from '../http/validators.js';
import {
  ActivationCodePage,
  ActivationCodeView,
  activationCodeView,
  CreateActivationCodeBody,
  ListActivationCodesQuery,
} from './activation-code.dto.js';
import { ActivationCodeBodyValidation } from './activation-code-body.js';
import { ActivationCodesService } from './activation-codes.service.js';

@AdminApi('activation codes')
export class ActivationCodesController {
  private readonly apiUrl: string;

  constructor(
    private readonly codes: ActivationCodesService,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.apiUrl = `${config.issuerUrl}/api/v1`;
  }

  @Post('licenses/:id/activation_codes')
  @ApiOperation({
    summary: 'Create a code with which instances get this license; it is shown once',
  })
  @ApiBody({ type: CreateActivationCodeBody, required: false })
  @ApiCreatedResponse({ type: ActivationCodeView })
  async create(
    @Param('id', UuidParam) licenseId: string,
    @Body(ActivationCodeBodyValidation) body: CreateActivationCodeBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ActivationCodeView> {
    const { kept, code } = await this.codes.create(licenseId, body);
    void reply.header('location', `${this.apiUrl}/activation_codes/${kept.id}`);
    return activationCodeView(kept, code);
  }

  @Get('licenses/:id/activation_codes')
  @ApiOperation({ summary: 'List the activation codes of a license, oldest first' })
  @ApiOkResponse({ type: ActivationCodePage })
  async list(
    @Param('id', UuidParam) licenseId: string,
    @Query(queryValidation) query: ListActivationCodesQuery,
  ): Promise<ActivationCodePage> {
    const page = await this.codes.list(licenseId, flagOf(query.usable), pageRequest(query));
    return pageBody(page, activationCodeView);
  }

  @Get('activation_codes/:id')
  @ApiOkResponse({ type: ActivationCodeView })
  async get(@Param('id', UuidParam) id: string): Promise<ActivationCodeView> {
    return activationCodeView(await this.codes.get(id));
  }

  @Delete('activation_codes/:id')
  @ApiOperation({ summary: 'Revoke it; instances that have used it keep their license' })
  @ApiOkResponse({ type: ActivationCodeView })
  async revoke(@Param('id', UuidParam) id: string): Promise<ActivationCodeView> {
    return activationCodeView(await this.codes.revoke(id));
  }
}
