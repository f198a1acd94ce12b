import { Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';

/** Keeps every catalog that was ever in force, so that an old decision can be explained. */
@Injectable()
export class CatalogSnapshots {
  /** The digest of the catalog in force, as the ledger names it. */
  readonly currentDigest: Buffer;

  constructor(
    private readonly database: Database,
    private readonly catalog: CatalogStore,
    private readonly clock: Clock,
  ) {
    this.currentDigest = Buffer.from(catalog.current().digest, 'hex');
  }

  async recordCurrent(): Promise<void> {
    await this.database.pool.query(
      `INSERT INTO catalog_snapshots (digest, document, first_in_force_at) VALUES ($1, $2, $3)
       ON CONFLICT DO NOTHING`,
      [this.currentDigest, JSON.stringify(this.catalog.current().catalog), this.clock.now()],
    );
  }
}
