import { Injectable } from '@nestjs/common';
import { AdminWrites } from '../access-control/admin-writes.js';
import { Database } from '../database/database.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { dayOf } from '../domain/calendar-day.js';
import { CarriedSeats, FILL_NOTHING } from './carried-seats.js';
import { type UserSeat, UserSeatRepository } from './user-seat.repository.js';

/** What a user of the platform holds, in all namespaces. */
@Injectable()
export class UserSeatsService {
  constructor(
    private readonly database: Database,
    private readonly seats: UserSeatRepository,
    private readonly carriedSeats: CarriedSeats,
    private readonly writes: AdminWrites,
  ) {}

  async list(userId: string, page: PageRequest): Promise<Page<UserSeat>> {
    return pageOf(await this.seats.list(this.database.manager, userId, page), page);
  }

  /** Releases every seat of the user. Twice does nothing. @returns what was released */
  async releaseAll(userId: string): Promise<readonly UserSeat[]> {
    return this.writes.run(async (manager, now) => {
      const seats = await this.seats.lock(manager, userId);
      await this.seats.release(manager, seats, dayOf(now), now);
      for (const namespaceId of new Set(seats.map((seat) => seat.namespaceId))) {
        const owner = { licenseId: null, namespaceId };
        await this.carriedSeats.settle(manager, owner, FILL_NOTHING, now);
      }
      return seats;
    });
  }
}
