import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/**
 * Stores every catalog and every token policy that was ever in force, so that an old token can be
 * explained and audited.
 */
@Injectable()
export class IssuanceSnapshots {
  /** The digest of the catalog in force, for the rows of the ledger. */
  readonly catalogDigest: Buffer;
  /** The digest of the policy in force, for the batches of the ledger. */
  readonly policyDigest: Buffer;
  private readonly policy: string;

  constructor(
    private readonly database: Database,
    private readonly catalog: CatalogStore,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.catalogDigest = Buffer.from(catalog.current().digest, 'hex');
    this.policy = JSON.stringify({
      issuer: config.issuerUrl,
      ttl_seconds: config.serviceTokenTtlSeconds,
      not_before_skew_seconds: config.notBeforeSkewSeconds,
      enforce_license_types: config.enforceLicenseTypes,
      self_issued_instance_id: config.selfIssuedInstanceId,
      // Policies without it are older: `iat` was the second of issue.
      issued_at_skew_seconds: config.notBeforeSkewSeconds,
    });
    this.policyDigest = createHash('sha256').update(this.policy).digest();
  }

  async recordCurrent(): Promise<void> {
    const now = this.clock.now();
    await this.database.pool.query(
      `INSERT INTO catalog_snapshots (digest, document, first_in_force_at) VALUES ($1, $2, $3)
       ON CONFLICT DO NOTHING`,
      [this.catalogDigest, JSON.stringify(this.catalog.current().catalog), now],
    );
    await this.database.pool.query(
      `INSERT INTO policy_snapshots (digest, document, first_in_force_at) VALUES ($1, $2, $3)
       ON CONFLICT DO NOTHING`,
      [this.policyDigest, this.policy, now],
    );
  }
}
