import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AdminWrites } from '../access-control/admin-writes.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { DEFAULT_GRACE_SECONDS, type ReplaceLicenseKeyBody } from './license.dto.js';
import type { LicenseEntity } from './license.entity.js';
import { LicenseKeys } from './license-keys.js';
import { keyTaken, LicenseRepository } from './license.repository.js';
import type { CreatedLicense } from './licenses.service.js';

/** Gives a license another key, for instance because the present one was stolen. */
@Injectable()
export class ReplaceLicenseKey {
  private readonly rows = {
    lock: (manager: EntityManager, id: string) => this.licenses.lock(manager, id),
    save: (manager: EntityManager, license: LicenseEntity) =>
      this.licenses.replaceKey(manager, license),
  };

  constructor(
    private readonly licenses: LicenseRepository,
    private readonly keys: LicenseKeys,
    private readonly writes: AdminWrites,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Seat links and activations hand out the new key from now on. The previous key works until its grace
   * ends; from then on it is an unknown key.
   * @throws {IssuerError} NOT_FOUND, PRECONDITION_FAILED, VALIDATION_FAILED, LICENSE_KEY_TAKEN
   */
  async replace(
    id: string,
    body: ReplaceLicenseKeyBody,
    ifMatch?: string,
  ): Promise<CreatedLicense> {
    const graceMs = (body.grace_seconds ?? DEFAULT_GRACE_SECONDS) * 1000;
    const { generatedKey, ...key } = this.keys.seal(id, body.license_key);
    const license = await this.writes.change(this.rows, id, ifMatch, (row, now) => {
      if (key.keyDigest.equals(row.keyDigest)) throw keyTaken('is the key that the license has');
      const previousKeyValidUntil = new Date(now.getTime() + graceMs);
      Object.assign(row, { ...key, keyReplacedAt: now, previousKeyValidUntil });
    });
    const until = license.previousKeyValidUntil;
    this.logger.info({ licenseId: id, until }, 'the key of a license was replaced');
    return { license, generatedKey };
  }
}
