import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { licenseKeyDigest, longEnoughKey } from '../licenses/license-key.js';
import type { LicenseEntity } from '../licenses/license.entity.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { sealedOwner, type SealedColumn } from '../sealing/sealed-columns.js';
import { Sealing } from '../sealing/sealing.js';

/** The keys that tell an instance of a cancellation, as they were registered. */
export const SEALED_CANCELLATION_KEYS: SealedColumn = {
  table: 'cancellation_keys',
  id: { column: 'license_id', type: 'uuid' },
  column: 'sealed_key',
};

/**
 * What an instance is given instead of a revoked license: an expired license of the vendor's making
 * whose content says that it comes from a cancellation. Nobody can make one here.
 */
@Injectable()
export class CancellationKeys {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly sealing: Sealing,
    private readonly clock: Clock,
  ) {}

  /**
   * Registers the key, in the place of an earlier one.
   * @throws {IssuerError} NOT_FOUND, VALIDATION_FAILED for a key that the license has or had, and for blanks
   */
  async register(licenseId: string, key: string): Promise<void> {
    const secret = Buffer.from(longEnoughKey(key));
    const sealed = this.sealing.seal(secret, sealedOwner(SEALED_CANCELLATION_KEYS, licenseId));
    const now = this.clock.now();
    await this.database.transaction(async (manager) => {
      const digest = licenseKeyDigest(key);
      const { keyDigest } = await this.licenses.get(manager, licenseId);
      const isOld = await this.licenses.hasOldKey(manager, licenseId, digest, now);
      if (digest.equals(keyDigest) || isOld) throw ownKey();
      await manager.query(
        `INSERT INTO cancellation_keys (license_id, sealed_key, registered_at) VALUES ($1, $2, $3)
         ON CONFLICT ON CONSTRAINT cancellation_keys_pkey
           DO UPDATE SET sealed_key = excluded.sealed_key, registered_at = excluded.registered_at`,
        [licenseId, sealed, now],
      );
    });
  }

  /** Twice does nothing. @throws {IssuerError} NOT_FOUND */
  async remove(licenseId: string): Promise<void> {
    const { manager } = this.database;
    await this.licenses.get(manager, licenseId);
    await manager.query(`DELETE FROM cancellation_keys WHERE license_id = $1`, [licenseId]);
  }

  /**
   * Null when none is registered for the license. A cancellation key that has become the key of the
   * license since cannot announce a cancellation, so it counts as none.
   */
  async of(
    manager: EntityManager,
    { id: licenseId, keyDigest }: Pick<LicenseEntity, 'id' | 'keyDigest'>,
  ): Promise<string | null> {
    const [row] = await manager.query<{ sealed_key: Buffer }[]>(
      `SELECT sealed_key FROM cancellation_keys WHERE license_id = $1`,
      [licenseId],
    );
    if (!row) return null;
    const owner = sealedOwner(SEALED_CANCELLATION_KEYS, licenseId);
    const key = this.sealing.open(row.sealed_key, owner).toString();
    return licenseKeyDigest(key).equals(keyDigest) ? null : key;
  }
}

/** Seat links would hand the revoked key back, and nobody would hear of the cancellation. */
function ownKey(): IssuerError {
  return new IssuerError('VALIDATION_FAILED', 'This is the key of the license itself.', {
    errors: [
      { pointer: '#/license_key', detail: 'must be another key than the license has or had' },
    ],
  });
}
