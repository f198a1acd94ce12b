import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, LessThan, MoreThan, Not } from 'typeorm';
import { dayOf } from '../domain/calendar-day.js';
import { denialOf, type LicenseDenial } from '../domain/license.js';
import { LicenseEntity } from '../licenses/license.entity.js';
import { LicenseKeys } from '../licenses/license-keys.js';
import { deniedLicense } from '../licenses/denied-license.js';
import { CancellationKeys } from './cancellation-keys.js';

/** More than an instance can show. */
const MAX_FUTURE_LICENSES = 50;

/** What an instance gets when it activates a license or reports its seats. */
export interface HandedOutLicense {
  readonly licenseId: string;
  /** The key of the license that the instance is to use. */
  readonly licenseKey: string;
  /** The customer's licenses that start after today, the first one first. */
  readonly futureLicenses: readonly LicenseEntity[];
  /** Whether the customer had no license before this one. */
  readonly isFirstOfCustomer: boolean;
}

/** Only `customer_ref` says which licenses have the same customer, never an e-mail address. */
@Injectable()
export class HandOutLicense {
  constructor(
    private readonly licenseKeys: LicenseKeys,
    private readonly cancellationKeys: CancellationKeys,
  ) {}

  /** @throws {IssuerError} LICENSE_NOT_CLOUD, LICENSE_REVOKED, LICENSE_EXPIRED */
  async forActivation(
    manager: EntityManager,
    license: LicenseEntity,
    now: Date,
  ): Promise<HandedOutLicense> {
    const denial = lastingDenialOf(license, now);
    if (denial !== null) throw deniedLicense(denial, license);
    return this.handedOut(manager, license, await this.licenseKeys.open(manager, license.id), now);
  }

  /**
   * For a revoked license the instance gets the cancellation key, where one is registered.
   * @throws {IssuerError} LICENSE_NOT_CLOUD, LICENSE_REVOKED, LICENSE_EXPIRED
   */
  async forSeatLink(
    manager: EntityManager,
    license: LicenseEntity,
    now: Date,
  ): Promise<HandedOutLicense> {
    if (lastingDenialOf(license, now) !== 'LICENSE_REVOKED') {
      return this.forActivation(manager, license, now);
    }
    const key = await this.cancellationKeys.of(manager, license);
    if (key === null) throw deniedLicense('LICENSE_REVOKED', license);
    return this.handedOut(manager, license, key, now);
  }

  private async handedOut(
    manager: EntityManager,
    license: LicenseEntity,
    licenseKey: string,
    now: Date,
  ): Promise<HandedOutLicense> {
    return {
      licenseId: license.id,
      licenseKey,
      futureLicenses: await futureLicenses(manager, license, now),
      isFirstOfCustomer: await isFirstOfCustomer(manager, license),
    };
  }
}

/** A license that has not started may be handed out: the instance keeps it until then. */
function lastingDenialOf(license: LicenseEntity, now: Date): LicenseDenial | null {
  const denial = denialOf(license, now);
  return denial === 'LICENSE_NOT_STARTED' ? null : denial;
}

async function futureLicenses(
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

async function isFirstOfCustomer(
  manager: EntityManager,
  { id, customerRef, startsOn }: LicenseEntity,
): Promise<boolean> {
  if (customerRef === null) return true;
  const where = { id: Not(id), customerRef, startsOn: LessThan(startsOn) };
  return !(await manager.existsBy(LicenseEntity, where));
}
