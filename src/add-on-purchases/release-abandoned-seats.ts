import { Inject, Injectable } from '@nestjs/common';
import { dayOf } from '../domain/calendar-day.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { SeatAssignmentRepository } from './seat-assignment.repository.js';

export const RELEASE_SEATS_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A purchase that is extended within this time keeps its seats. */
const KEPT_DAYS = 14;
/** No token lives longer, so a seat outlasts every token in the ledger that it explains. */
const LONGEST_TOKEN_DAYS = 8;

/**
 * Releases the seats of purchases that ended 14 days ago, or were voided; they have given no access since
 * then. Deletes released seats when the ledger has dropped the tokens of that time.
 */
@Injectable()
export class ReleaseAbandonedSeats {
  constructor(
    private readonly database: Database,
    private readonly seats: SeatAssignmentRepository,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /** @returns how many seats it released */
  async run(): Promise<number> {
    const now = this.clock.now();
    let released = 0;
    for (let some = await this.releaseSome(now); some > 0; some = await this.releaseSome(now)) {
      released += some;
    }
    const days = this.config.ledgerRetentionDays + LONGEST_TOKEN_DAYS;
    await this.seats.deleteReleased(this.database.manager, daysBefore(now, days));
    return released;
  }

  private async releaseSome(now: Date): Promise<number> {
    const day = dayOf(daysBefore(now, KEPT_DAYS));
    return this.database.transaction(async (manager) => {
      const purchases = await this.seats.lockAbandoned(manager, day);
      return purchases.length === 0 ? 0 : this.seats.releaseAll(manager, purchases, now);
    });
  }
}

function daysBefore(now: Date, days: number): Date {
  return new Date(now.getTime() - days * DAY_MS);
}
