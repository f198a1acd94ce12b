import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, LessThan, MoreThan, Not } from 'typeorm';
import { dayOf } from '../domain/calendar-day.js';
import { LicenseEntity } from '../licenses/license.entity.js';

/** More than an instance could show. */
const MAX_FUTURE_LICENSES = 50;

/** The other licenses of a customer. Only `customer_ref` tells who that is, never an e-mail address. */
@Injectable()
export class CustomerLicenses {
  /** Those that start after today, the first one first; none without a `customer_ref`. */
  async future(
    manager: EntityManager,
    { id, customerRef }: LicenseEntity,
    now: Date,
  ): Promise<readonly LicenseEntity[]> {
    if (customerRef === null) return [];
    return manager.find(LicenseEntity, {
      where: { id: Not(id), customerRef, startsOn: MoreThan(dayOf(now)), revokedAt: IsNull() },
      order: { startsOn: 'ASC', id: 'ASC' },
      take: MAX_FUTURE_LICENSES,
    });
  }

  /** Whether the customer had no license before this one. */
  async isFirst(
    manager: EntityManager,
    { id, customerRef, startsOn }: LicenseEntity,
  ): Promise<boolean> {
    if (customerRef === null) return true;
    const where = { id: Not(id), customerRef, startsOn: LessThan(startsOn) };
    return !(await manager.existsBy(LicenseEntity, where));
  }
}
