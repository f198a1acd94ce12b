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

/** Cancellation keys as they were registered. */
export const SEALED_CANCELLATION_KEYS: SealedColumn = {
  table: 'cancellation_keys',
  id: { column: 'license_id', type: 'uuid' },
  column: 'sealed_key',
};

/**
 * A cancellation key is an expired license that says it was cancelled. An instance gets it instead of a
 * revoked license. Only the vendor can make one, so it is registered here.
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
   * Registers the key and replaces an earlier one.
   * @throws {IssuerError} NOT_FOUND, VALIDATION_FAILED for a key of this license, also a previous one, and for blanks
   */
  async register(licenseId: string, key: string): Promise<void> {
    const secret = Buffer.from(longEnoughKey(key));
    const sealed = this.sealing.seal(secret, sealedOwner(SEALED_CANCELLATION_KEYS, licenseId));
    const now = this.clock.now();
    await this.database.transaction(async (manager) => {
      const digest = licenseKeyDigest(key);
      const { keyDigest } = await this.licenses.get(manager, licenseId);
      const isPrevious = await this.licenses.hasPreviousKey(manager, licenseId, digest, now);
      if (digest.equals(keyDigest) || isPrevious) throw ownKey();
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
    await this.database.transaction(async (manager) => {
      await this.licenses.get(manager, licenseId);
      await manager.query(`DELETE FROM cancellation_keys WHERE license_id = $1`, [licenseId]);
    });
  }

  /**
   * Null when none is registered. A key that has since become the key of the license does not count: it
   * cannot announce a cancellation.
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

/** Seat links would hand out the revoked key again, and the instance would not see the cancellation. */
function ownKey(): IssuerError {
  return new IssuerError(
    'VALIDATION_FAILED',
    'This is a key of the license itself: register the key that announces its cancellation.',
    {
      errors: [
        { pointer: '#/license_key', detail: 'must not be a key that the license has or had' },
      ],
    },
  );
}
