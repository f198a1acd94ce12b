import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { IssuerError } from '../platform/issuer-error.js';
import { NamespaceEntity } from './namespace.entity.js';

@Injectable()
export class NamespaceRepository {
  /** Inserts it unless it exists. Of any number of calls at once exactly one inserts it. */
  async insertIfUnknown(manager: EntityManager, namespace: NamespaceEntity): Promise<void> {
    await manager
      .createQueryBuilder()
      .insert()
      .into(NamespaceEntity)
      .values(namespace)
      .orIgnore()
      .execute();
  }

  async find(manager: EntityManager, id: string): Promise<NamespaceEntity | null> {
    return manager.findOneBy(NamespaceEntity, { id });
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<NamespaceEntity> {
    return orNotFound(await this.find(manager, id));
  }

  /** Reads the row and holds it until the transaction ends. @throws {IssuerError} NOT_FOUND */
  async lock(manager: EntityManager, id: string): Promise<NamespaceEntity> {
    const lock = { mode: 'pessimistic_write' } as const;
    return orNotFound(await manager.findOne(NamespaceEntity, { where: { id }, lock }));
  }

  /** Writes a row that this transaction has locked; its version counts up by one. */
  async save(manager: EntityManager, namespace: NamespaceEntity): Promise<NamespaceEntity> {
    return manager.save(NamespaceEntity, namespace);
  }
}

function orNotFound(namespace: NamespaceEntity | null): NamespaceEntity {
  if (namespace) return namespace;
  throw new IssuerError('NOT_FOUND', 'There is no namespace with this id: it has no purchase.');
}
