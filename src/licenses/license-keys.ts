import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { sealedOwner } from '../sealing/sealed-columns.js';
import { Sealing } from '../sealing/sealing.js';
import { SEALED_LICENSE_KEYS } from './license.repository.js';

/** Opens license keys, for the instances that the license belongs to and for nobody else. */
@Injectable()
export class LicenseKeys {
  constructor(private readonly sealing: Sealing) {}

  /** The key of a license that exists, as it was registered. */
  async open(manager: EntityManager, licenseId: string): Promise<string> {
    const [row] = await manager.query<{ sealed_key: Buffer }[]>(
      `SELECT sealed_key FROM licenses WHERE id = $1`,
      [licenseId],
    );
    if (!row) throw new Error('there is no license whose key could be opened');
    return this.sealing
      .open(row.sealed_key, sealedOwner(SEALED_LICENSE_KEYS, licenseId))
      .toString();
  }
}
