import {
  Body,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Res,
} from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { EmptyBody } from '../http/empty-body.js';
import { entityTag } from '../http/entity-tag.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { optionalBodyValidation, queryValidation } from '../http/validation.js';
import {
  CreateLicenseBody,
  licenseFilter,
  ListLicensesQuery,
  ReplaceLicenseKeyBody,
  RevokeLicenseBody,
  UpdateLicenseBody,
} from './license.dto.js';
import type { LicenseEntity } from './license.entity.js';
import { LicenseBodyValidation, replaceKeyBodyValidation } from './license-body.js';
import { LicensePage, LicenseView, licenseView } from './license-view.js';
import { LicensesService } from './licenses.service.js';
import { ReplaceLicenseKey } from './replace-license-key.js';

@AdminApi('licenses')
export class LicensesController {
  private readonly url: string;

  constructor(
    private readonly licenses: LicensesService,
    private readonly replaceLicenseKey: ReplaceLicenseKey,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.url = `${config.issuerUrl}/api/v1/licenses`;
  }

  @Post('licenses')
  @ApiOperation({ summary: 'Register a license; its key is generated if it has none' })
  @ApiCreatedResponse({ type: LicenseView })
  async create(
    @Body(LicenseBodyValidation) body: CreateLicenseBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LicenseView> {
    const { license, generatedKey } = await this.licenses.create(body);
    void reply.header('location', `${this.url}/${license.id}`);
    return tagged(license, reply, generatedKey);
  }

  @Get('licenses')
  @ApiOperation({ summary: 'List licenses, oldest first' })
  @ApiOkResponse({ type: LicensePage })
  async list(@Query(queryValidation) query: ListLicensesQuery): Promise<LicensePage> {
    const page = await this.licenses.list(licenseFilter(query), pageRequest(query));
    return pageBody(page, licenseView);
  }

  @Get('licenses/:id')
  @ApiOkResponse({ type: LicenseView })
  async get(
    @Param('id', UuidParam) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LicenseView> {
    return tagged(await this.licenses.get(id), reply);
  }

  @Patch('licenses/:id')
  @ApiOperation({ summary: 'Change the members that the body names' })
  @ApiOkResponse({ type: LicenseView })
  async update(
    @Param('id', UuidParam) id: string,
    @Body(LicenseBodyValidation) body: UpdateLicenseBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LicenseView> {
    return tagged(await this.licenses.update(id, body, ifMatch), reply);
  }

  @Post('licenses/:id/revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'Deny its syncs from now on; issued tokens live until their exp' })
  @ApiBody({ type: RevokeLicenseBody, required: false })
  @ApiOkResponse({ type: LicenseView })
  async revoke(
    @Param('id', UuidParam) id: string,
    @Body(optionalBodyValidation) body: RevokeLicenseBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LicenseView> {
    return tagged(await this.licenses.revoke(id, body.reason ?? null, ifMatch), reply);
  }

  @Post('licenses/:id/reinstate')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take the revocation of a license back' })
  @ApiBody({ type: EmptyBody, required: false })
  @ApiOkResponse({ type: LicenseView })
  async reinstate(
    @Param('id', UuidParam) id: string,
    @Body(optionalBodyValidation) _body: EmptyBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LicenseView> {
    return tagged(await this.licenses.reinstate(id, ifMatch), reply);
  }

  @Post('licenses/:id/replace_key')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Replace the key of a license, for instance after a theft',
    description:
      'Without `license_key` a key is generated and shown once. Seat links and activations hand out the ' +
      'new key from now on. The previous key works until its grace ends; then it is unknown.',
  })
  @ApiBody({ type: ReplaceLicenseKeyBody, required: false })
  @ApiOkResponse({ type: LicenseView })
  async replaceKey(
    @Param('id', UuidParam) id: string,
    @Body(replaceKeyBodyValidation) body: ReplaceLicenseKeyBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LicenseView> {
    const { license, generatedKey } = await this.replaceLicenseKey.replace(id, body, ifMatch);
    return tagged(license, reply, generatedKey);
  }
}

function tagged(
  license: LicenseEntity,
  reply: FastifyReply,
  generatedKey: string | null = null,
): LicenseView {
  void reply.header('etag', entityTag(license.version));
  return licenseView(license, generatedKey);
}
