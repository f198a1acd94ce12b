import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import type { CalendarDay } from '../domain/calendar-day.js';
import { canonicalAddOnName } from '../domain/catalog.js';
import {
  type ErrorByConstraint,
  translatingConstraints,
} from '../platform/constraint-violation.js';
import { IssuerError } from '../platform/issuer-error.js';
import { rowsToFetch } from '../platform/paging.js';
import type { ListAddOnPurchasesQuery } from './add-on-purchase.dto.js';
import { AddOnPurchaseEntity } from './add-on-purchase.entity.js';

const ERRORS: ErrorByConstraint = {
  add_on_purchases_overlap_excl: () =>
    new IssuerError(
      'PURCHASE_OVERLAPS',
      'The license has this add-on in some of these days already: change that purchase, or choose ' +
        'days that do not overlap.',
    ),
  add_on_purchases_expires_on_check: () =>
    new IssuerError('VALIDATION_FAILED', 'The purchase would end before it starts.', {
      errors: [{ pointer: '#/expires_on', detail: 'must be after started_at' }],
    }),
};

/** The SQL of `phaseOf`; `:today` is the day. */
const CONDITION_BY_PHASE = {
  void: 'p.voided_at IS NOT NULL',
  expired: 'p.voided_at IS NULL AND p.expires_on <= :today',
  not_started: 'p.voided_at IS NULL AND p.expires_on > :today AND p.started_at > :today',
  active:
    'p.voided_at IS NULL AND p.expires_on > :today AND (p.started_at IS NULL OR p.started_at <= :today)',
} as const;

@Injectable()
export class AddOnPurchaseRepository {
  async insert(manager: EntityManager, purchase: AddOnPurchaseEntity): Promise<void> {
    await translatingConstraints(ERRORS, () => manager.insert(AddOnPurchaseEntity, purchase));
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<AddOnPurchaseEntity> {
    return orNotFound(await manager.findOneBy(AddOnPurchaseEntity, { id }));
  }

  /** Reads the row and holds it until the transaction ends. @throws {IssuerError} NOT_FOUND */
  async lock(manager: EntityManager, id: string): Promise<AddOnPurchaseEntity> {
    const lock = { mode: 'pessimistic_write' } as const;
    return orNotFound(await manager.findOne(AddOnPurchaseEntity, { where: { id }, lock }));
  }

  /** Writes a row that this transaction has locked; its version counts up by one. */
  async save(manager: EntityManager, purchase: AddOnPurchaseEntity): Promise<AddOnPurchaseEntity> {
    return translatingConstraints(ERRORS, () => manager.save(AddOnPurchaseEntity, purchase));
  }

  /** Every purchase of a license, past, voided and future ones too. */
  async ofLicense(manager: EntityManager, licenseId: string): Promise<AddOnPurchaseEntity[]> {
    return manager.find(AddOnPurchaseEntity, { where: { licenseId }, order: { id: 'ASC' } });
  }

  async list(
    manager: EntityManager,
    licenseId: string,
    query: ListAddOnPurchasesQuery,
    today: CalendarDay,
  ): Promise<AddOnPurchaseEntity[]> {
    const select: SelectQueryBuilder<AddOnPurchaseEntity> = manager
      .createQueryBuilder(AddOnPurchaseEntity, 'p')
      .where('p.license_id = :licenseId', { licenseId });
    if (query.add_on !== undefined) {
      select.andWhere('p.add_on = :addOn', { addOn: canonicalAddOnName(query.add_on) });
    }
    if (query.phase !== undefined) select.andWhere(CONDITION_BY_PHASE[query.phase], { today });
    if (query.cursor !== undefined) select.andWhere('p.id > :cursor', { cursor: query.cursor });
    return select.orderBy('p.id', 'ASC').limit(rowsToFetch(query)).getMany();
  }
}

function orNotFound(purchase: AddOnPurchaseEntity | null): AddOnPurchaseEntity {
  if (purchase) return purchase;
  throw new IssuerError('NOT_FOUND', 'There is no add-on purchase with this id.');
}
