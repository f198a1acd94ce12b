import { Injectable } from '@nestjs/common';
import { type EntityManager, In, IsNull, LessThan, MoreThan, Not } from 'typeorm';
import { dayOf } from '../domain/calendar-day.js';
import { denialOf, type LicenseDenial } from '../domain/license.js';
import { isRevoked, newestStarted, renewalInSight } from '../domain/renewal.js';
import { LicenseEntity } from '../licenses/license.entity.js';
import { LicenseKeys } from '../licenses/license-keys.js';
import { deniedLicense } from '../licenses/denied-license.js';
import { RenewalRepository } from '../licenses/renewal.repository.js';
import { CancellationKeys } from './cancellation-keys.js';

/** More than an instance can show. */
const MAX_FUTURE_LICENSES = 50;

/** What an instance gets when it activates a license or reports its seats. */
export interface HandedOutLicense {
  readonly licenseId: string;
  /** The key of the license that the instance is to use. */
  readonly licenseKey: string;
  /** The licenses that start after today, the first one first: the customer's, and the renewals. */
  readonly futureLicenses: readonly LicenseEntity[];
  /** Whether the customer had no license before this one. */
  readonly isFirstOfCustomer: boolean;
}

interface Line {
  readonly license: LicenseEntity;
  /** The licenses that renew it, one after the other. */
  readonly renewals: readonly LicenseEntity[];
}

/**
 * Only `customer_ref` says which licenses have the same customer, never an e-mail address. Only
 * `renews_license_id` says which license renews another one.
 */
@Injectable()
export class HandOutLicense {
  constructor(
    private readonly licenseKeys: LicenseKeys,
    private readonly cancellationKeys: CancellationKeys,
    private readonly renewals: RenewalRepository,
  ) {}

  /** @throws {IssuerError} LICENSE_NOT_CLOUD, LICENSE_REVOKED, LICENSE_EXPIRED */
  async forActivation(
    manager: EntityManager,
    license: LicenseEntity,
    now: Date,
  ): Promise<HandedOutLicense> {
    return this.asItIs(manager, await this.lineOf(manager, license, now), now);
  }

  /**
   * Once a renewal has started, the instance gets its key. For a revoked license the instance gets the
   * cancellation key, where one is registered.
   * @throws {IssuerError} LICENSE_NOT_CLOUD, LICENSE_REVOKED, LICENSE_EXPIRED
   */
  async forSeatLink(
    manager: EntityManager,
    license: LicenseEntity,
    now: Date,
  ): Promise<HandedOutLicense> {
    const line = await this.lineOf(manager, license, now);
    const newest = newestStarted(license, line.renewals, now);
    const { renewals } = line;
    if (newest !== license) return this.asItIs(manager, { license: newest, renewals }, now);
    if (lastingDenialOf(license, now) !== 'LICENSE_REVOKED') return this.asItIs(manager, line, now);
    const key = await this.cancellationKeys.of(manager, license);
    if (key === null) throw deniedLicense('LICENSE_REVOKED', license, null);
    return this.handedOut(manager, line, key, now);
  }

  /** A revoked license has no renewals here: its key may be in the wrong hands. */
  private async lineOf(manager: EntityManager, license: LicenseEntity, now: Date): Promise<Line> {
    const renewals = isRevoked(license, now) ? [] : await this.renewals.of(manager, license.id);
    return { license, renewals };
  }

  private async asItIs(manager: EntityManager, line: Line, now: Date): Promise<HandedOutLicense> {
    const { license, renewals } = line;
    const denial = lastingDenialOf(license, now);
    if (denial !== null) throw deniedLicense(denial, license, renewalInSight(renewals, now));
    return this.handedOut(manager, line, await this.licenseKeys.open(manager, license.id), now);
  }

  private async handedOut(
    manager: EntityManager,
    line: Line,
    licenseKey: string,
    now: Date,
  ): Promise<HandedOutLicense> {
    return {
      licenseId: line.license.id,
      licenseKey,
      futureLicenses: await futureLicenses(manager, line, now),
      isFirstOfCustomer: await isFirstOfCustomer(manager, line.license),
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
  { license: { id, customerRef }, renewals }: Line,
  now: Date,
): Promise<readonly LicenseEntity[]> {
  const future = { startsOn: MoreThan(dayOf(now)), revokedAt: IsNull() };
  const others = renewals.map((renewal) => renewal.id).filter((other) => other !== id);
  const where = [
    ...(customerRef === null ? [] : [{ id: Not(id), customerRef, ...future }]),
    ...(others.length === 0 ? [] : [{ id: In(others), ...future }]),
  ];
  if (where.length === 0) return [];
  const order = { startsOn: 'ASC', id: 'ASC' } as const;
  return manager.find(LicenseEntity, { where, order, take: MAX_FUTURE_LICENSES });
}

async function isFirstOfCustomer(
  manager: EntityManager,
  { id, customerRef, startsOn, renewsLicenseId }: LicenseEntity,
): Promise<boolean> {
  if (renewsLicenseId !== null) return false;
  if (customerRef === null) return true;
  const where = { id: Not(id), customerRef, startsOn: LessThan(startsOn) };
  return !(await manager.existsBy(LicenseEntity, where));
}
