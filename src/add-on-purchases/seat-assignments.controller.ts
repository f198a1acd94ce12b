import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { pageBody, pageRequest } from '../http/paging.js';
import { UuidParam } from '../http/uuid-param.js';
import { bodyValidation, optionalBodyValidation, queryValidation } from '../http/validation.js';
import {
  ListSeatAssignmentsQuery,
  ReleaseSeatsBody,
  ReleaseSeatsQuery,
  SeatAssignmentList,
  SeatAssignmentPage,
  SeatAssignmentsBody,
  seatAssignmentView,
  usersToRelease,
} from './seat-assignment.dto.js';
import { SeatAssignmentsService } from './seat-assignments.service.js';

const PATH = 'add_on_purchases/:id/seat_assignments';

@AdminApi('seat assignments')
export class SeatAssignmentsController {
  constructor(private readonly seats: SeatAssignmentsService) {}

  @Post(PATH)
  @ApiOperation({ summary: 'Give each of these users a seat, or none of them' })
  @ApiCreatedResponse({ type: SeatAssignmentList })
  async assign(
    @Param('id', UuidParam) purchaseId: string,
    @Body(bodyValidation) body: SeatAssignmentsBody,
  ): Promise<SeatAssignmentList> {
    const held = await this.seats.assign(purchaseId, body.user_ids);
    return { items: held.map(seatAssignmentView) };
  }

  @Get(PATH)
  @ApiOperation({ summary: 'List the users who hold a seat of the purchase' })
  @ApiOkResponse({ type: SeatAssignmentPage })
  async list(
    @Param('id', UuidParam) purchaseId: string,
    @Query(queryValidation) query: ListSeatAssignmentsQuery,
  ): Promise<SeatAssignmentPage> {
    const userId = query.user_id ?? null;
    return pageBody(
      await this.seats.list(purchaseId, userId, pageRequest(query)),
      seatAssignmentView,
    );
  }

  @Delete(PATH)
  @HttpCode(200)
  @ApiOperation({ summary: 'Release the seats of these users' })
  @ApiBody({ type: ReleaseSeatsBody, required: false })
  @ApiOkResponse({ type: SeatAssignmentList, description: 'What was released' })
  async release(
    @Param('id', UuidParam) purchaseId: string,
    @Body(optionalBodyValidation) body: ReleaseSeatsBody,
    @Query(queryValidation) query: ReleaseSeatsQuery,
  ): Promise<SeatAssignmentList> {
    const released = await this.seats.release(purchaseId, usersToRelease(body, query));
    return { items: released.map(seatAssignmentView) };
  }
}
