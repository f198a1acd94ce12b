import { Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { requireMatch } from '../http/entity-tag.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { sealedOwner } from '../sealing/sealed-columns.js';
import { Sealing } from '../sealing/sealing.js';
import type { CreateLicenseBody, UpdateLicenseBody } from './license.dto.js';
import { LicenseEntity } from './license.entity.js';
import { generateLicenseKey, licenseKeyDigest, registrableKey } from './license-key.js';
import {
  type LicenseFilter,
  LicenseRepository,
  SEALED_LICENSE_KEYS,
} from './license.repository.js';

export interface CreatedLicense {
  readonly license: LicenseEntity;
  /** The key when it was generated here: this is the only time that it is shown. */
  readonly generatedKey: string | null;
}

/** The admin's use cases on licenses. */
@Injectable()
export class LicensesService {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly catalog: CatalogStore,
    private readonly sealing: Sealing,
    private readonly clock: Clock,
  ) {}

  async create(body: CreateLicenseBody): Promise<CreatedLicense> {
    this.requireKnownPlan(body.plan);
    const now = this.clock.now();
    const id = newId(now);
    const generatedKey = body.license_key === undefined ? generateLicenseKey() : null;
    const key = generatedKey ?? registrableKey(body.license_key ?? '');
    const license = Object.assign(new LicenseEntity(), {
      id,
      trial: false,
      licenseeName: null,
      licenseeEmail: null,
      licenseeCompany: null,
      customerRef: null,
      ...changesOf(body),
      keyDigest: licenseKeyDigest(key),
      sealedKey: this.sealing.seal(Buffer.from(key), sealedOwner(SEALED_LICENSE_KEYS, id)),
      revokedAt: null,
      revocationReason: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
      keyReplacedAt: null,
      previousKeyValidUntil: null,
    });
    await this.licenses.insert(this.database.manager, license);
    return { license, generatedKey };
  }

  async get(id: string): Promise<LicenseEntity> {
    return this.licenses.get(this.database.manager, id);
  }

  async list(filter: LicenseFilter, page: PageRequest): Promise<Page<LicenseEntity>> {
    return pageOf(await this.licenses.list(this.database.manager, filter, page), page);
  }

  async update(id: string, body: UpdateLicenseBody, ifMatch?: string): Promise<LicenseEntity> {
    if (body.plan !== undefined) this.requireKnownPlan(body.plan);
    return this.change(id, ifMatch, (license) => Object.assign(license, changesOf(body)));
  }

  /** Its syncs are denied from now on; tokens already out run to their `exp`. Twice does nothing. */
  async revoke(id: string, reason: string | null, ifMatch?: string): Promise<LicenseEntity> {
    return this.change(id, ifMatch, (license, now) => {
      if (license.revokedAt !== null) return;
      license.revokedAt = now;
      license.revocationReason = reason;
    });
  }

  async reinstate(id: string, ifMatch?: string): Promise<LicenseEntity> {
    return this.change(id, ifMatch, (license) => {
      license.revokedAt = null;
      license.revocationReason = null;
    });
  }

  private async change(
    id: string,
    ifMatch: string | undefined,
    apply: (license: LicenseEntity, now: Date) => void,
  ): Promise<LicenseEntity> {
    const now = this.clock.now();
    return this.database.transaction(async (manager) => {
      const license = await this.licenses.lock(manager, id);
      requireMatch(ifMatch, license.version);
      const before = JSON.stringify(license);
      apply(license, now);
      if (JSON.stringify(license) === before) return license;
      license.updatedAt = now;
      return this.licenses.save(manager, license);
    });
  }

  private requireKnownPlan(plan: string): void {
    const known = this.catalog.current().catalog.licenseTypes.map(({ name }) => name);
    if (known.includes(plan)) return;
    throw new IssuerError('VALIDATION_FAILED', 'The catalog has no such plan.', {
      errors: [{ pointer: '#/plan', detail: `must be one of ${known.join(', ')}` }],
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
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}
