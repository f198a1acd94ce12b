import { Body, Delete, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminApi } from '../access-control/admin-api.js';
import { nextLink } from '../http/paging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { UuidParam } from '../http/uuid-param.js';
import { bodyValidation, queryValidation } from '../http/validation.js';
import {
  ListSeatAssignmentsQuery,
  SeatAssignmentList,
  SeatAssignmentPage,
  SeatAssignmentsBody,
  seatAssignmentView,
} from './seat-assignment.dto.js';
import { SeatAssignmentsService } from './seat-assignments.service.js';

const PATH = 'add_on_purchases/:id/seat_assignments';

@AdminApi('seat assignments')
export class SeatAssignmentsController {
  private readonly apiUrl: string;

  constructor(
    private readonly seats: SeatAssignmentsService,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.apiUrl = `${config.issuerUrl}/api/v1`;
  }

  @Post(PATH)
  @ApiOperation({ summary: 'Give each of these users a seat, all or none; who has one keeps it' })
  @ApiCreatedResponse({ type: SeatAssignmentList })
  async assign(
    @Param('id', UuidParam) purchaseId: string,
    @Body(bodyValidation) body: SeatAssignmentsBody,
  ): Promise<SeatAssignmentList> {
    const held = await this.seats.assign(purchaseId, body.user_ids);
    return { items: held.map(seatAssignmentView) };
  }

  @Get(PATH)
  @ApiOperation({ summary: 'List who holds a seat of the purchase' })
  @ApiOkResponse({ type: SeatAssignmentPage })
  async list(
    @Param('id', UuidParam) purchaseId: string,
    @Query(queryValidation) query: ListSeatAssignmentsQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SeatAssignmentPage> {
    const { items, nextCursor } = await this.seats.list(purchaseId, query);
    if (nextCursor !== null) {
      const url = `${this.apiUrl}/add_on_purchases/${purchaseId}/seat_assignments`;
      void reply.header('link', nextLink(url, query, nextCursor));
    }
    return { items: items.map(seatAssignmentView), next_cursor: nextCursor };
  }

  @Delete(PATH)
  @HttpCode(200)
  @ApiOperation({ summary: 'Release the seats of these users; who has none is left alone' })
  @ApiBody({ type: SeatAssignmentsBody })
  @ApiOkResponse({ type: SeatAssignmentList, description: 'What was released' })
  async release(
    @Param('id', UuidParam) purchaseId: string,
    @Body(bodyValidation) body: SeatAssignmentsBody,
  ): Promise<SeatAssignmentList> {
    const released = await this.seats.release(purchaseId, body.user_ids);
    return { items: released.map(seatAssignmentView) };
  }
}
