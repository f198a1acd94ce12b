import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, MoreThan, Not, type FindOptionsWhere } from 'typeorm';
import {
  type ErrorByConstraint,
  translatingConstraints,
} from '../platform/constraint-violation.js';
import { IssuerError } from '../platform/issuer-error.js';
import { rowsToFetch } from '../platform/paging.js';
import { preparedStatement, type PreparedStatements } from '../platform/prepared-statements.js';
import type { SealedColumn } from '../platform/sealed-columns.js';
import type { ListLicensesQuery } from './license.dto.js';
import { LicenseEntity } from './license.entity.js';

const ERRORS: ErrorByConstraint = {
  licenses_key_digest_key: () =>
    new IssuerError('LICENSE_KEY_TAKEN', 'This license key is registered already.', {
      errors: [{ pointer: '#/license_key', detail: 'is registered for another license' }],
    }),
  licenses_expires_on_check: () =>
    new IssuerError('VALIDATION_FAILED', 'The license would end before it starts.', {
      errors: [{ pointer: '#/expires_on', detail: 'must be after starts_on' }],
    }),
};

/** License keys as they were registered; a sync finds a key by its digest and opens none. */
export const SEALED_LICENSE_KEYS: SealedColumn = {
  table: 'licenses',
  id: { column: 'id', type: 'uuid' },
  column: 'sealed_key',
};

const KNOWN_KEY = preparedStatement('known_key', 'SELECT FROM licenses WHERE key_digest = $1');

@Injectable()
export class LicenseRepository {
  async insert(manager: EntityManager, license: LicenseEntity): Promise<void> {
    await translatingConstraints(ERRORS, () => manager.insert(LicenseEntity, license));
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<LicenseEntity> {
    return orNotFound(await manager.findOneBy(LicenseEntity, { id }));
  }

  /** Whether a license has this key; takes no connection of the admin side. */
  async isKnownKey(prepared: PreparedStatements, keyDigest: Buffer): Promise<boolean> {
    return (await prepared.run(KNOWN_KEY, [keyDigest])).length > 0;
  }

  /** Null when no license has this key. */
  async byKeyDigest(manager: EntityManager, keyDigest: Buffer): Promise<LicenseEntity | null> {
    return manager.findOneBy(LicenseEntity, { keyDigest });
  }

  /** Reads the row and holds it until the transaction ends. @throws {IssuerError} NOT_FOUND */
  async lock(manager: EntityManager, id: string): Promise<LicenseEntity> {
    const lock = { mode: 'pessimistic_write' } as const;
    return orNotFound(await manager.findOne(LicenseEntity, { where: { id }, lock }));
  }

  /** Writes a row that this transaction has locked; its version counts up by one. */
  async save(manager: EntityManager, license: LicenseEntity): Promise<LicenseEntity> {
    return translatingConstraints(ERRORS, () => manager.save(LicenseEntity, license));
  }

  async list(manager: EntityManager, query: ListLicensesQuery): Promise<LicenseEntity[]> {
    const where: FindOptionsWhere<LicenseEntity> = {};
    if (query.plan !== undefined) where.plan = query.plan;
    if (query.kind !== undefined) where.kind = query.kind;
    if (query.customer_ref !== undefined) where.customerRef = query.customer_ref;
    if (query.revoked !== undefined) {
      where.revokedAt = query.revoked === 'true' ? Not(IsNull()) : IsNull();
    }
    if (query.cursor !== undefined) where.id = MoreThan(query.cursor);
    return manager.find(LicenseEntity, { where, order: { id: 'ASC' }, take: rowsToFetch(query) });
  }
}

function orNotFound(license: LicenseEntity | null): LicenseEntity {
  if (license) return license;
  throw new IssuerError('NOT_FOUND', 'There is no license with this id.');
}
