import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { sealedOwner } from '../sealing/sealed-columns.js';
import { Sealing } from '../sealing/sealing.js';
import { generateLicenseKey, licenseKeyDigest, registrableKey } from './license-key.js';
import { SEALED_LICENSE_KEYS } from './license.repository.js';

export interface NewLicenseKey {
  readonly keyDigest: Buffer;
  readonly sealedKey: Buffer;
  /** The key if it was generated here: this is the only time that it is shown. */
  readonly generatedKey: string | null;
}

/** Seals license keys, and opens them for the instances of the license. */
@Injectable()
export class LicenseKeys {
  constructor(private readonly sealing: Sealing) {}

  /**
   * The given key, or a generated one, as the row of this license holds it.
   * @throws {IssuerError} VALIDATION_FAILED
   */
  seal(licenseId: string, given: string | undefined): NewLicenseKey {
    const key = given === undefined ? generateLicenseKey() : registrableKey(given);
    const owner = sealedOwner(SEALED_LICENSE_KEYS, licenseId);
    return {
      keyDigest: licenseKeyDigest(key),
      sealedKey: this.sealing.seal(Buffer.from(key), owner),
      generatedKey: given === undefined ? key : null,
    };
  }

  /** The key of a license that exists, as it was registered. */
  async open(manager: EntityManager, licenseId: string): Promise<string> {
    const [row] = await manager.query<{ sealed_key: Buffer }[]>(
      `SELECT sealed_key FROM licenses WHERE id = $1`,
      [licenseId],
    );
    if (!row) throw new Error('there is no license whose key could be opened');
    const owner = sealedOwner(SEALED_LICENSE_KEYS, licenseId);
    return this.sealing.open(row.sealed_key, owner).toString();
  }
}
