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
  readonly renewsLicenseId: string | null;
  readonly revoked: boolean | null;
}

const ERRORS: ErrorByConstraint = {
  licenses_key_digest_key: () => keyTaken('is registered for another license'),
  licenses_replaced_key_check: () =>
    keyTaken('is the previous key of a license, and works until its grace ends'),
  licenses_expires_on_check: () =>
    new IssuerError('VALIDATION_FAILED', 'The license would end before it starts.', {
      errors: [{ pointer: '#/expires_on', detail: 'must be after starts_on' }],
    }),
  licenses_renews_license_id_fkey: () => notRenewable('is not the id of a registered license'),
  licenses_renewal_circle_check: () =>
    notRenewable('must not be the license itself, or one that renews it'),
  licenses_renewal_line_check: () =>
    notRenewable('would make a line of more than 100 licenses that renew one another'),
  licenses_renews_license_id_key: () =>
    new IssuerError(
      'LICENSE_RENEWED_ALREADY',
      'Another license renews that one already: GET licenses?renews_license_id=<id> shows it. Let ' +
        'this one renew it, or undo that renewal first.',
      { errors: [{ pointer: '#/renews_license_id', detail: 'has a renewal already' }] },
    ),
};

/** License keys as they were registered. A sync finds a license by the digest and opens no key. */
export const SEALED_LICENSE_KEYS: SealedColumn = {
  table: 'licenses',
  id: { column: 'id', type: 'uuid' },
  column: 'sealed_key',
};

/** The license that has this key, or had it and still lets it work. There is at most one. */
const OF_KEY = `
  SELECT id FROM licenses WHERE key_digest = $1
  UNION ALL
  SELECT license_id FROM replaced_license_keys WHERE digest = $1 AND valid_until > $2`;

const LICENSE_OF_KEY = preparedStatement('license_of_key', OF_KEY);

/** Each replacement leaves a previous key; more than a few have no use. */
const MAX_PREVIOUS_KEYS = 5;

// No previous key works longer than the grace of the newest replacement, and only the newest previous keys stay. A
// clock that was ahead may have replaced a key after the end of that grace; that key is dropped at once.
const SHORTEN_PREVIOUS_KEYS = `
  UPDATE replaced_license_keys SET valid_until = $2 WHERE license_id = $1 AND valid_until > $2`;
const DROP_PREVIOUS_KEYS = `
  DELETE FROM replaced_license_keys WHERE license_id = $1 AND ($2 OR replaced_at >= $3 OR digest NOT IN (
    SELECT digest FROM replaced_license_keys WHERE license_id = $1
    ORDER BY replaced_at DESC LIMIT ${MAX_PREVIOUS_KEYS - 1}))`;

@Injectable()
export class LicenseRepository {
  async insert(manager: EntityManager, license: LicenseEntity): Promise<void> {
    await translatingConstraints(ERRORS, () => manager.insert(LicenseEntity, license));
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<LicenseEntity> {
    return orNotFound(await manager.findOneBy(LicenseEntity, { id }));
  }

  /** Whether this key works for a license. Uses the pool of the sync path. */
  async isKnownKey(prepared: PreparedStatements, keyDigest: Buffer, now: Date): Promise<boolean> {
    return (await prepared.run(LICENSE_OF_KEY, [keyDigest, now])).length > 0;
  }

  /** By its key, or by a previous one in its grace. Null if the key works for no license. */
  async byKeyDigest(
    manager: EntityManager,
    keyDigest: Buffer,
    now: Date,
  ): Promise<LicenseEntity | null> {
    const [found] = await manager.query<{ id: string }[]>(OF_KEY, [keyDigest, now]);
    return found ? manager.findOneBy(LicenseEntity, { id: found.id }) : null;
  }

  /**
   * Saves the new key of a license that this transaction has locked. A trigger keeps the digest of the previous
   * key, which works until `previousKeyValidUntil`. Older keys work until then at the latest.
   * @throws {IssuerError} LICENSE_KEY_TAKEN
   */
  async replaceKey(manager: EntityManager, license: LicenseEntity): Promise<LicenseEntity> {
    const { id, keyReplacedAt, previousKeyValidUntil: until } = license;
    const atOnce = until?.getTime() === keyReplacedAt?.getTime();
    await manager.query(DROP_PREVIOUS_KEYS, [id, atOnce, until]);
    await manager.query(SHORTEN_PREVIOUS_KEYS, [id, until]);
    return this.save(manager, license);
  }

  /** Whether this is a previous key of the license that still works. */
  async hasPreviousKey(
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

  /** Drops previous keys whose grace is over. @returns how many */
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

  /**
   * The same, for a write that makes the license renew another one. Such writes take turns before they
   * lock a row: otherwise two that want each other's row would wait for each other.
   */
  async lockInTurn(manager: EntityManager, id: string): Promise<LicenseEntity> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('licenses.renewals'))`);
    return this.lock(manager, id);
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
    const { plan, kind, customerRef, renewsLicenseId, revoked } = filter;
    const where: FindOptionsWhere<LicenseEntity> = {};
    if (plan !== null) where.plan = plan;
    if (kind !== null) where.kind = kind;
    if (customerRef !== null) where.customerRef = customerRef;
    if (renewsLicenseId !== null) where.renewsLicenseId = renewsLicenseId;
    if (revoked !== null) where.revokedAt = revoked ? Not(IsNull()) : IsNull();
    if (page.after !== null) where.id = MoreThan(page.after);
    return manager.find(LicenseEntity, { where, order: { id: 'ASC' }, take: rowsToFetch(page) });
  }
}

function orNotFound(license: LicenseEntity | null): LicenseEntity {
  if (license) return license;
  throw new IssuerError('NOT_FOUND', 'There is no license with this id.');
}

function notRenewable(detail: string): IssuerError {
  return new IssuerError('VALIDATION_FAILED', 'The license cannot renew that one.', {
    errors: [{ pointer: '#/renews_license_id', detail }],
  });
}

export function keyTaken(detail: string): IssuerError {
  return new IssuerError('LICENSE_KEY_TAKEN', 'This license key is registered already.', {
    errors: [{ pointer: '#/license_key', detail }],
  });
}
