import { Body, Get, Headers, Inject, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { entityTag } from '../http/entity-tag.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { bodyValidation, queryValidation } from '../http/validation.js';
import {
  addOnPurchaseFilter,
  CreateNamespacePurchaseBody,
  ListAddOnPurchasesQuery,
} from './add-on-purchase.dto.js';
import { AddOnPurchasePage, AddOnPurchaseView, addOnPurchaseView } from './add-on-purchase-view.js';
import {
  NamespaceParam,
  NamespaceView,
  namespaceView,
  UpdateNamespaceBody,
} from './namespace.dto.js';
import type { NamespaceEntity } from './namespace.entity.js';
import { NamespacesService } from './namespaces.service.js';
import { PurchaseBodyValidation } from './purchase-body.js';
import { ReadAddOnPurchases } from './read-add-on-purchases.js';

@AdminApi('namespaces')
export class NamespacesController {
  private readonly apiUrl: string;

  constructor(
    private readonly namespaces: NamespacesService,
    private readonly readPurchases: ReadAddOnPurchases,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.apiUrl = `${config.issuerUrl}/api/v1`;
  }

  @Post('namespaces/:id/add_on_purchases')
  @ApiOperation({ summary: 'Record a purchase for a namespace' })
  @ApiCreatedResponse({ type: AddOnPurchaseView })
  async purchase(
    @Param('id', NamespaceParam) id: string,
    @Body(PurchaseBodyValidation) body: CreateNamespacePurchaseBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AddOnPurchaseView> {
    const purchase = await this.namespaces.purchase(id, body);
    void reply.header('location', `${this.apiUrl}/add_on_purchases/${purchase.id}`);
    void reply.header('etag', entityTag(purchase.version));
    return addOnPurchaseView(purchase);
  }

  @Get('namespaces/:id/add_on_purchases')
  @ApiOperation({ summary: 'List the purchases of a namespace, also ended ones, oldest first' })
  @ApiOkResponse({ type: AddOnPurchasePage })
  async list(
    @Param('id', NamespaceParam) id: string,
    @Query(queryValidation) query: ListAddOnPurchasesQuery,
  ): Promise<AddOnPurchasePage> {
    const filter = addOnPurchaseFilter(query);
    const page = await this.readPurchases.list({ namespaceId: id }, filter, pageRequest(query));
    return pageBody(page, addOnPurchaseView);
  }

  @Get('namespaces/:id')
  @ApiOkResponse({ type: NamespaceView })
  async get(
    @Param('id', NamespaceParam) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NamespaceView> {
    return tagged(await this.namespaces.get(id), reply);
  }

  @Patch('namespaces/:id')
  @ApiOperation({ summary: 'Change the plan of a namespace' })
  @ApiOkResponse({ type: NamespaceView })
  async update(
    @Param('id', NamespaceParam) id: string,
    @Body(bodyValidation) body: UpdateNamespaceBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NamespaceView> {
    return tagged(await this.namespaces.changePlan(id, body.plan, ifMatch), reply);
  }
}

function tagged(namespace: NamespaceEntity, reply: FastifyReply): NamespaceView {
  void reply.header('etag', entityTag(namespace.version));
  return namespaceView(namespace);
}
