import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { denialOf } from '../domain/license.js';
import type { SeatReport, ReportedInstance } from '../instances/instance.repository.js';
import { SeatReports } from '../instances/seat-reports.js';
import { licenseKeyDigest, MAX_LICENSE_KEY_LENGTH } from '../licenses/license-key.js';
import { LicenseKeys } from '../licenses/license-keys.js';
import type { LicenseEntity } from '../licenses/license.entity.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { CancellationKeys } from './cancellation-keys.js';
import { CustomerLicenses } from './customer-licenses.js';

export interface SeatLink {
  readonly licenseKey: string;
  /** The instance UUID; null from clients that send none. */
  readonly instanceId: string | null;
  readonly reported: ReportedInstance;
  readonly report: SeatReport;
}

export interface SeatLinkAnswer {
  /** The license that the instance is to use: its own, or the one that says it was cancelled. */
  readonly licenseKey: string;
  readonly futureLicenses: readonly LicenseEntity[];
  readonly isFirstOfCustomer: boolean;
  readonly licenseId: string;
  /** Whether it came with an old key of the license. */
  readonly byOldKey: boolean;
  /** Whether its numbers cannot be true, so that they were kept apart. */
  readonly isKeptApart: boolean;
}

/** Takes in what an instance reports of its users and seats. More than was bought is no error. */
@Injectable()
export class RecordSeatLink {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly licenseKeys: LicenseKeys,
    private readonly seatReports: SeatReports,
    private readonly cancellationKeys: CancellationKeys,
    private readonly customerLicenses: CustomerLicenses,
    private readonly clock: Clock,
  ) {}

  /** @throws {IssuerError} LICENSE_NOT_FOUND, LICENSE_NOT_CLOUD, LICENSE_REVOKED, LICENSE_EXPIRED */
  async record(seatLink: SeatLink): Promise<SeatLinkAnswer> {
    const now = this.clock.now();
    const digest = await this.knownDigestOf(seatLink.licenseKey, now);
    return this.database.transaction(async (manager) => {
      const license = await this.licenses.byKeyDigest(manager, digest, now);
      if (license === null) throw unknownKey();
      const answer = {
        licenseKey: await this.answerTo(manager, license, now),
        futureLicenses: await this.customerLicenses.future(manager, license, now),
        isFirstOfCustomer: await this.customerLicenses.isFirst(manager, license),
        licenseId: license.id,
        byOldKey: !license.keyDigest.equals(digest),
      };
      // Last: from here on the row of the instance is held.
      const isKeptApart = await this.remember(manager, license, seatLink, now);
      return { ...answer, isKeptApart };
    });
  }

  /** The connections of the admin side are few, and anybody may guess. */
  private async knownDigestOf(key: string, now: Date): Promise<Buffer> {
    if (key.length > MAX_LICENSE_KEY_LENGTH) throw unknownKey();
    const digest = licenseKeyDigest(key);
    if (await this.licenses.isKnownKey(this.database.prepared, digest, now)) return digest;
    throw unknownKey();
  }

  private async remember(
    manager: EntityManager,
    license: LicenseEntity,
    { instanceId, reported, report }: SeatLink,
    now: Date,
  ): Promise<boolean> {
    if (instanceId === null) return false;
    return this.seatReports.keep(manager, license, instanceId, reported, report, now);
  }

  private async answerTo(
    manager: EntityManager,
    license: LicenseEntity,
    now: Date,
  ): Promise<string> {
    const denial = denialOf(license, now);
    if (denial === null || denial === 'LICENSE_NOT_STARTED') {
      return this.licenseKeys.open(manager, license.id);
    }
    const key = await this.cancellationKeys.of(manager, license);
    if (denial === 'LICENSE_REVOKED' && key !== null) return key;
    throw new IssuerError(
      denial,
      'This license is revoked, expired or no cloud license: ask whoever sold it for another.',
    );
  }
}

function unknownKey(): IssuerError {
  return new IssuerError('LICENSE_NOT_FOUND', 'This license key is not registered here.');
}
