import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray } from 'class-validator';
import { PageQuery } from '../http/paging.js';
import { IssuerError } from '../platform/issuer-error.js';
import { EachIsText, IsText, MayBeAbsent } from '../http/validators.js';
import type { SeatAssignment } from './seat-assignment.repository.js';

const MAX_USERS = 1000;

export class SeatAssignmentsBody {
  @ApiProperty({
    type: [String],
    minItems: 1,
    maxItems: MAX_USERS,
    example: ['7', '8'],
    description: "The platform's own ids of users; an id may stand twice and counts once",
  })
  @EachIsText()
  @ArrayMaxSize(MAX_USERS, { message: `must name at most ${MAX_USERS} users` })
  @ArrayMinSize(1, { message: 'must name at least one user' })
  @IsArray({ message: 'must be a list of ids' })
  user_ids!: string[];
}

export class ReleaseSeatsBody extends PartialType(SeatAssignmentsBody, {
  skipNullProperties: false,
}) {}

export class ReleaseSeatsQuery {
  @ApiPropertyOptional({
    example: '7',
    description: 'One user, instead of a body, which some proxies drop',
  })
  @MayBeAbsent()
  @IsText()
  user_id?: string;
}

/** @throws {IssuerError} VALIDATION_FAILED when body and query name nobody, or different users */
export function usersToRelease({ user_ids }: ReleaseSeatsBody, query: ReleaseSeatsQuery): string[] {
  const { user_id = user_ids?.[0] } = query;
  if (user_id === undefined) {
    throw new IssuerError('VALIDATION_FAILED', 'Name the users whose seats are to be released.', {
      errors: [
        { pointer: '#/user_ids', detail: 'must name at least one user, here or as ?user_id=' },
      ],
    });
  }
  const users = user_ids ?? [user_id];
  if (query.user_id === undefined || users.every((user) => user === user_id)) return users;
  throw new IssuerError('VALIDATION_FAILED', 'The body and the query name different users.', {
    errors: [{ parameter: 'user_id', detail: 'must be the user of user_ids, or be left out' }],
  });
}

export class ListSeatAssignmentsQuery extends PageQuery {
  @ApiPropertyOptional({ example: '7' })
  @MayBeAbsent()
  @IsText()
  user_id?: string;
}

export class SeatAssignmentView {
  @ApiProperty({ example: '7' }) user_id!: string;
  @ApiProperty({ type: Date }) assigned_at!: Date;
}

export class SeatAssignmentList {
  @ApiProperty({ type: [SeatAssignmentView] }) items!: SeatAssignmentView[];
}

export class SeatAssignmentPage extends SeatAssignmentList {
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function seatAssignmentView({ userId, assignedAt }: SeatAssignment): SeatAssignmentView {
  return { user_id: userId, assigned_at: assignedAt };
}
