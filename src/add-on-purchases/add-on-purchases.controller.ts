import { Body, Delete, Get, Headers, Inject, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { entityTag } from '../http/entity-tag.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { queryValidation } from '../http/validation.js';
import {
  addOnPurchaseFilter,
  CreateAddOnPurchaseBody,
  ListAddOnPurchasesQuery,
  UpdateAddOnPurchaseBody,
} from './add-on-purchase.dto.js';
import type { AddOnPurchaseEntity } from './add-on-purchase.entity.js';
import { AddOnPurchasePage, AddOnPurchaseView, addOnPurchaseView } from './add-on-purchase-view.js';
import { AddOnPurchasesService } from './add-on-purchases.service.js';
import { PurchaseBodyValidation } from './purchase-body.js';
import { ReadAddOnPurchases } from './read-add-on-purchases.js';

@AdminApi('add-on purchases')
export class AddOnPurchasesController {
  private readonly apiUrl: string;

  constructor(
    private readonly purchases: AddOnPurchasesService,
    private readonly readPurchases: ReadAddOnPurchases,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.apiUrl = `${config.issuerUrl}/api/v1`;
  }

  @Post('licenses/:id/add_on_purchases')
  @ApiOperation({ summary: 'Record a purchase for a license' })
  @ApiCreatedResponse({ type: AddOnPurchaseView })
  async create(
    @Param('id', UuidParam) licenseId: string,
    @Body(PurchaseBodyValidation) body: CreateAddOnPurchaseBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AddOnPurchaseView> {
    const purchase = await this.purchases.create(licenseId, body);
    void reply.header('location', `${this.apiUrl}/add_on_purchases/${purchase.id}`);
    return tagged(purchase, reply);
  }

  @Get('licenses/:id/add_on_purchases')
  @ApiOperation({ summary: 'List the purchases of a license, also ended ones, oldest first' })
  @ApiOkResponse({ type: AddOnPurchasePage })
  async list(
    @Param('id', UuidParam) licenseId: string,
    @Query(queryValidation) query: ListAddOnPurchasesQuery,
  ): Promise<AddOnPurchasePage> {
    const filter = addOnPurchaseFilter(query);
    const page = await this.readPurchases.list({ licenseId }, filter, pageRequest(query));
    return pageBody(page, addOnPurchaseView);
  }

  @Get('add_on_purchases/:id')
  @ApiOkResponse({ type: AddOnPurchaseView })
  async get(
    @Param('id', UuidParam) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AddOnPurchaseView> {
    return tagged(await this.readPurchases.get(id), reply);
  }

  @Patch('add_on_purchases/:id')
  @ApiOperation({ summary: 'Change the members that the body names' })
  @ApiOkResponse({ type: AddOnPurchaseView })
  async update(
    @Param('id', UuidParam) id: string,
    @Body(PurchaseBodyValidation) body: UpdateAddOnPurchaseBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AddOnPurchaseView> {
    return tagged(await this.purchases.update(id, body, ifMatch), reply);
  }

  @Delete('add_on_purchases/:id')
  @ApiOperation({ summary: 'End it today, or void it if it has not started; its history stays' })
  @ApiOkResponse({ type: AddOnPurchaseView })
  async end(
    @Param('id', UuidParam) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AddOnPurchaseView> {
    return tagged(await this.purchases.end(id, ifMatch), reply);
  }
}

function tagged(purchase: AddOnPurchaseEntity, reply: FastifyReply): AddOnPurchaseView {
  void reply.header('etag', entityTag(purchase.version));
  return addOnPurchaseView(purchase);
}
