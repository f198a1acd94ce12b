import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, MoreThan, Not, type FindOptionsWhere } from 'typeorm';
import {
  type ErrorByConstraint,
  translatingConstraints,
} from '../database/constraint-violation.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import { preparedStatement, type PreparedStatements } from '../database/prepared-statements.js';
import type { SealedColumn } from '../sealing/sealed-columns.js';
import type { LicenseKind } from '../domain/license.js';
import { LicenseEntity } from './license.entity.js';

/** Which licenses a list has; null filters nothing. */
export interface LicenseFilter {
  readonly plan: string | null;
  readonly kind: LicenseKind | null;
  readonly customerRef: string | null;
  readonly revoked: boolean | null;
}

const ERRORS: ErrorByConstraint = {
  licenses_key_digest_key: () => keyTaken('is registered for another license'),
  licenses_replaced_key_check: () =>
    keyTaken('is the old key of a license, and works until its grace ends'),
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

/** The license that has this key, or had it and still lets it work. At most one has. */
const OF_KEY = `
  SELECT id FROM licenses WHERE key_digest = $1
  UNION ALL
  SELECT license_id FROM replaced_license_keys WHERE digest = $1 AND valid_until > $2`;

const KNOWN_KEY = preparedStatement('known_key', OF_KEY);

/** Each replacement leaves one. An operator has reasons for a few. */
const MAX_OLD_KEYS = 5;

// No old key outlives the grace of the newest replacement, and only the newest of them stay. One that was
// replaced only after that grace, by a clock that was ahead, does not stay at all.
const SHORTEN_OLD_KEYS = `
  UPDATE replaced_license_keys SET valid_until = $2 WHERE license_id = $1 AND valid_until > $2`;
const DROP_OLD_KEYS = `
  DELETE FROM replaced_license_keys WHERE license_id = $1 AND ($2 OR replaced_at >= $3 OR digest NOT IN (
    SELECT digest FROM replaced_license_keys WHERE license_id = $1
    ORDER BY replaced_at DESC LIMIT ${MAX_OLD_KEYS - 1}))`;

@Injectable()
export class LicenseRepository {
  async insert(manager: EntityManager, license: LicenseEntity): Promise<void> {
    await translatingConstraints(ERRORS, () => manager.insert(LicenseEntity, license));
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<LicenseEntity> {
    return orNotFound(await manager.findOneBy(LicenseEntity, { id }));
  }

  /** Whether this key works for a license; takes no connection of the admin side. */
  async isKnownKey(prepared: PreparedStatements, keyDigest: Buffer, now: Date): Promise<boolean> {
    return (await prepared.run(KNOWN_KEY, [keyDigest, now])).length > 0;
  }

  /** By its key, or by an old one in its grace. Null when the key works for no license. */
  async byKeyDigest(
    manager: EntityManager,
    keyDigest: Buffer,
    now: Date,
  ): Promise<LicenseEntity | null> {
    const [found] = await manager.query<{ id: string }[]>(OF_KEY, [keyDigest, now]);
    return found ? manager.findOneBy(LicenseEntity, { id: found.id }) : null;
  }

  /**
   * Gives a license that this transaction has locked the key that is set in `license`. Its old key
   * works until `previousKeyValidUntil`: a trigger keeps its digest until then. Older ones work as
   * long as they would have, but no longer than that.
   * @throws {IssuerError} LICENSE_KEY_TAKEN
   */
  async replaceKey(manager: EntityManager, license: LicenseEntity): Promise<LicenseEntity> {
    const { id, keyReplacedAt, previousKeyValidUntil: until } = license;
    const atOnce = until?.getTime() === keyReplacedAt?.getTime();
    await manager.query(DROP_OLD_KEYS, [id, atOnce, until]);
    await manager.query(SHORTEN_OLD_KEYS, [id, until]);
    return this.save(manager, license);
  }

  /** Whether the license still lets this old key work. */
  async hasOldKey(
    manager: EntityManager,
    id: string,
    keyDigest: Buffer,
    now: Date,
  ): Promise<boolean> {
    const rows = await manager.query<unknown[]>(
      `SELECT FROM replaced_license_keys
       WHERE license_id = $1 AND digest = $2 AND valid_until > $3`,
      [id, keyDigest, now],
    );
    return rows.length > 0;
  }

  /** Drops old keys whose grace is over. @returns how many */
  async dropEndedKeys(manager: EntityManager, now: Date): Promise<number> {
    const [, dropped] = await manager.query<[unknown[], number]>(
      `DELETE FROM replaced_license_keys WHERE valid_until <= $1`,
      [now],
    );
    return dropped;
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

  async list(
    manager: EntityManager,
    filter: LicenseFilter,
    page: PageRequest,
  ): Promise<LicenseEntity[]> {
    const { plan, kind, customerRef, revoked } = filter;
    const where: FindOptionsWhere<LicenseEntity> = {};
    if (plan !== null) where.plan = plan;
    if (kind !== null) where.kind = kind;
    if (customerRef !== null) where.customerRef = customerRef;
    if (revoked !== null) where.revokedAt = revoked ? Not(IsNull()) : IsNull();
    if (page.after !== null) where.id = MoreThan(page.after);
    return manager.find(LicenseEntity, { where, order: { id: 'ASC' }, take: rowsToFetch(page) });
  }
}

function orNotFound(license: LicenseEntity | null): LicenseEntity {
  if (license) return license;
  throw new IssuerError('NOT_FOUND', 'There is no license with this id.');
}

export function keyTaken(detail: string): IssuerError {
  return new IssuerError('LICENSE_KEY_TAKEN', 'This license key is registered already.', {
    errors: [{ pointer: '#/license_key', detail }],
  });
}
