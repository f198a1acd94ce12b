import { Delete, Get, Injectable, Param, type PipeTransform, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { PageQuery, pageBody, pageRequest } from '../http/paging.js';
import { queryValidation } from '../http/validation.js';
import { isText } from '../http/validators.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SeatAssignmentView } from './seat-assignment.dto.js';
import type { UserSeat } from './user-seat.repository.js';
import { UserSeatsService } from './user-seats.service.js';

class UserSeatView extends SeatAssignmentView {
  @ApiProperty({ format: 'uuid' }) add_on_purchase_id!: string;
  @ApiProperty() namespace_id!: string;
  @ApiProperty({ example: 'duo_pro' }) add_on!: string;
}

class UserSeatList {
  @ApiProperty({ type: [UserSeatView] }) items!: UserSeatView[];
}

class UserSeatPage extends UserSeatList {
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

/** The id of a user in a path: the platform's own id, any text. */
@Injectable()
class UserParam implements PipeTransform<string, string> {
  transform(value: string): string {
    if (isText(value)) return value;
    throw new IssuerError('NOT_FOUND', 'There is no user with this id.');
  }
}

const PATH = 'users/:user_id/seat_assignments';

@AdminApi('seat assignments')
export class UserSeatsController {
  constructor(private readonly seats: UserSeatsService) {}

  @Get(PATH)
  @ApiOperation({ summary: 'List the seats of a user, in purchases of all namespaces' })
  @ApiOkResponse({ type: UserSeatPage })
  async list(
    @Param('user_id', UserParam) userId: string,
    @Query(queryValidation) query: PageQuery,
  ): Promise<UserSeatPage> {
    return pageBody(await this.seats.list(userId, pageRequest(query)), userSeatView);
  }

  @Delete(PATH)
  @ApiOperation({ summary: 'Release every seat of a user, in purchases of all namespaces' })
  @ApiOkResponse({ type: UserSeatList, description: 'What was released' })
  async release(@Param('user_id', UserParam) userId: string): Promise<UserSeatList> {
    return { items: (await this.seats.releaseAll(userId)).map(userSeatView) };
  }
}

function userSeatView(seat: UserSeat): UserSeatView {
  return {
    user_id: seat.userId,
    assigned_at: seat.assignedAt,
    add_on_purchase_id: seat.purchaseId,
    namespace_id: seat.namespaceId,
    add_on: seat.addOn,
  };
}
