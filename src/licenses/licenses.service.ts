import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AdminWrites } from '../access-control/admin-writes.js';
import { CatalogStore } from '../catalog/catalog.service.js';
import { requireKnownPlan } from '../catalog/known-names.js';
import { Database } from '../database/database.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { newId } from '../platform/new-id.js';
import type { CreateLicenseBody, UpdateLicenseBody } from './license.dto.js';
import { LicenseEntity } from './license.entity.js';
import { LicenseKeys } from './license-keys.js';
import { type LicenseFilter, LicenseRepository } from './license.repository.js';

export interface CreatedLicense {
  readonly license: LicenseEntity;
  /** The key if it was generated here: this is the only time that it is shown. */
  readonly generatedKey: string | null;
}

/** Registers, reads, changes, revokes and reinstates licenses. */
@Injectable()
export class LicensesService {
  /** For a write that makes a license renew another one. */
  private readonly renewals = {
    lock: (manager: EntityManager, id: string) => this.licenses.lockInTurn(manager, id),
    save: (manager: EntityManager, license: LicenseEntity) => this.licenses.save(manager, license),
  };

  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly catalog: CatalogStore,
    private readonly keys: LicenseKeys,
    private readonly writes: AdminWrites,
  ) {}

  async create(body: CreateLicenseBody): Promise<CreatedLicense> {
    requireKnownPlan(body.plan, this.catalog.current().catalog);
    return this.writes.run(async (manager, now) => {
      const id = newId(now);
      const { generatedKey, ...key } = this.keys.seal(id, body.license_key);
      const license = Object.assign(new LicenseEntity(), {
        id,
        trial: false,
        licenseeName: null,
        licenseeEmail: null,
        licenseeCompany: null,
        customerRef: null,
        renewsLicenseId: null,
        ...changesOf(body),
        ...key,
        revokedAt: null,
        revocationReason: null,
        version: 1,
        createdAt: now,
        updatedAt: now,
        keyReplacedAt: null,
        previousKeyValidUntil: null,
      });
      await this.licenses.insert(manager, license);
      return { license, generatedKey };
    });
  }

  async get(id: string): Promise<LicenseEntity> {
    return this.licenses.get(this.database.manager, id);
  }

  async list(filter: LicenseFilter, page: PageRequest): Promise<Page<LicenseEntity>> {
    return pageOf(await this.licenses.list(this.database.manager, filter, page), page);
  }

  async update(id: string, body: UpdateLicenseBody, ifMatch?: string): Promise<LicenseEntity> {
    if (body.plan !== undefined) requireKnownPlan(body.plan, this.catalog.current().catalog);
    const renews = (body.renews_license_id ?? null) !== null;
    return this.writes.change(renews ? this.renewals : this.licenses, id, ifMatch, (license) => {
      Object.assign(license, changesOf(body));
    });
  }

  /** Its syncs are denied from now on; issued tokens live until their `exp`. Twice does nothing. */
  async revoke(id: string, reason: string | null, ifMatch?: string): Promise<LicenseEntity> {
    return this.writes.change(this.licenses, id, ifMatch, (license, now) => {
      if (license.revokedAt !== null) return;
      license.revokedAt = now;
      license.revocationReason = reason;
    });
  }

  async reinstate(id: string, ifMatch?: string): Promise<LicenseEntity> {
    return this.writes.change(this.licenses, id, ifMatch, (license) => {
      license.revokedAt = null;
      license.revocationReason = null;
    });
  }
}

/** The members that `body` names, as columns; what it leaves out stays as it is. */
function changesOf(body: UpdateLicenseBody): Partial<LicenseEntity> {
  const changes = {
    plan: body.plan,
    kind: body.kind,
    trial: body.trial,
    seats: body.seats,
    startsOn: body.starts_on,
    expiresOn: body.expires_on,
    licenseeName: body.licensee?.name,
    licenseeEmail: body.licensee?.email,
    licenseeCompany: body.licensee?.company,
    customerRef: body.customer_ref,
    // As the database writes it.
    renewsLicenseId: lowerCase(body.renews_license_id),
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

function lowerCase<Absent extends null | undefined>(id: string | Absent): string | Absent {
  return typeof id === 'string' ? id.toLowerCase() : id;
}
