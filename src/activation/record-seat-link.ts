import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import {
  InstanceRepository,
  type ReportedInstance,
  type SeatReport,
} from '../instances/instance.repository.js';
import { SeatReports } from '../instances/seat-reports.js';
import { licenseKeyDigest, MAX_LICENSE_KEY_LENGTH } from '../licenses/license-key.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type HandedOutLicense, HandOutLicense } from './hand-out-license.js';

export interface SeatLink {
  readonly licenseKey: string;
  /** The instance UUID; null from clients that send none. */
  readonly instanceId: string | null;
  readonly reported: ReportedInstance;
  readonly report: SeatReport;
}

export interface SeatLinkAnswer extends Omit<HandedOutLicense, 'licenseId'> {
  /** The license whose key was sent. The answer may carry the key of its renewal. */
  readonly licenseId: string;
  /** Whether the key is a previous one of the license, in its grace. */
  readonly byPreviousKey: boolean;
  /** Whether the numbers cannot be true, so that they were kept apart. */
  readonly isKeptApart: boolean;
}

/** Records the users and seats that an instance reports. Using more than was bought is allowed. */
@Injectable()
export class RecordSeatLink {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly handOut: HandOutLicense,
    private readonly seatReports: SeatReports,
    private readonly instances: InstanceRepository,
  ) {}

  /** @throws {IssuerError} LICENSE_NOT_FOUND, LICENSE_NOT_CLOUD, LICENSE_REVOKED, LICENSE_EXPIRED */
  async record(seatLink: SeatLink, now: Date): Promise<SeatLinkAnswer> {
    const { licenseKey, instanceId, reported, report } = seatLink;
    const digest = await this.knownDigestOf(licenseKey, now);
    return this.database.transaction(async (manager) => {
      const license = await this.licenses.byKeyDigest(manager, digest, now);
      if (license === null) throw unknownKey();
      const handedOut = await this.handOut.forSeatLink(manager, license, now);
      // Comes last, because it locks the row of the instance.
      const isKeptApart =
        instanceId !== null &&
        (await this.seatReports.keep(manager, license, instanceId, reported, report, now));
      // The first sync with the key of a renewal may name no instance.
      if (instanceId !== null && !isKeptApart && handedOut.licenseId !== license.id) {
        await this.instances.introduce(manager, handedOut.licenseId, instanceId, reported, now);
      }
      const byPreviousKey = !license.keyDigest.equals(digest);
      return { ...handedOut, licenseId: license.id, byPreviousKey, isKeptApart };
    });
  }

  /** Guesses take no connection of the admin side: it has few. */
  private async knownDigestOf(key: string, now: Date): Promise<Buffer> {
    if (key.length > MAX_LICENSE_KEY_LENGTH) throw unknownKey();
    const digest = licenseKeyDigest(key);
    if (await this.licenses.isKnownKey(this.database.prepared, digest, now)) return digest;
    throw unknownKey();
  }
}

function unknownKey(): IssuerError {
  return new IssuerError(
    'LICENSE_NOT_FOUND',
    'This license key is not registered here: check that the instance uses its own license, and ' +
      'that it asks the right issuer.',
  );
}
