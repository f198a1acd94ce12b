import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { requireMatch } from '../http/entity-tag.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { sealedOwner } from '../sealing/sealed-columns.js';
import { Sealing } from '../sealing/sealing.js';
import { DEFAULT_GRACE_SECONDS, type ReplaceLicenseKeyBody } from './license.dto.js';
import type { LicenseEntity } from './license.entity.js';
import { generateLicenseKey, licenseKeyDigest, registrableKey } from './license-key.js';
import { keyTaken, LicenseRepository, SEALED_LICENSE_KEYS } from './license.repository.js';
import type { CreatedLicense } from './licenses.service.js';

/** Gives a license another key, because somebody else has the one that it has. */
@Injectable()
export class ReplaceLicenseKey {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly sealing: Sealing,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Seat links and activations hand out the new key from now on. The old key works until its grace
   * ends; from then on it is an unknown key.
   * @throws {IssuerError} NOT_FOUND, PRECONDITION_FAILED, VALIDATION_FAILED, LICENSE_KEY_TAKEN
   */
  async replace(
    id: string,
    body: ReplaceLicenseKeyBody,
    ifMatch?: string,
  ): Promise<CreatedLicense> {
    const now = this.clock.now();
    const graceSeconds = body.grace_seconds ?? DEFAULT_GRACE_SECONDS;
    const generatedKey = body.license_key === undefined ? generateLicenseKey() : null;
    const key = generatedKey ?? registrableKey(body.license_key ?? '');
    const license = await this.database.transaction(async (manager) => {
      const locked = await this.licenses.lock(manager, id);
      requireMatch(ifMatch, locked.version);
      return this.licenses.replaceKey(manager, this.withKey(locked, key, now, graceSeconds));
    });
    const until = license.previousKeyValidUntil;
    this.logger.info({ licenseId: id, until }, 'the key of a license was replaced');
    return { license, generatedKey };
  }

  /** Drops the digests of old keys whose grace is over. */
  async forgetEnded(): Promise<void> {
    const forgotten = await this.licenses.forgetEndedKeys(this.database.manager, this.clock.now());
    if (forgotten > 0) this.logger.info({ keys: forgotten }, 'the grace of old license keys ended');
  }

  private withKey(
    license: LicenseEntity,
    key: string,
    now: Date,
    graceSeconds: number,
  ): LicenseEntity {
    const keyDigest = licenseKeyDigest(key);
    if (keyDigest.equals(license.keyDigest)) throw keyTaken('is the key that the license has');
    return Object.assign(license, {
      keyDigest,
      sealedKey: this.sealing.seal(Buffer.from(key), sealedOwner(SEALED_LICENSE_KEYS, license.id)),
      keyReplacedAt: now,
      previousKeyValidUntil: new Date(now.getTime() + graceSeconds * 1000),
      updatedAt: now,
    });
  }
}
