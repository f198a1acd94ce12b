import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { InstanceRepository } from '../instances/instance.repository.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { type Order, revocationOf } from './revoke-service-token.js';
import type { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';
import {
  type Owner,
  ServiceTokenRevocationRepository,
} from './service-token-revocation.repository.js';

/** How things stand after an order. */
export interface Standing {
  readonly licenseId: string;
  /** Null where the order was about a license. */
  readonly instanceId: string | null;
  /** The last revocation of these tokens: made, found or restored by the order; null: there is none. */
  readonly revocation: ServiceTokenRevocationEntity | null;
  /** What has the syncs answer null now: for an instance also the revocation of its license. */
  readonly active: readonly ServiceTokenRevocationEntity[];
}

/**
 * Revokes all tokens of a license or an instance, and lifts that again. A revocation and the tokens
 * that it takes are one transaction, during which no token is issued: once it is over, none is live
 * that it did not take.
 */
@Injectable()
export class RevokeServiceTokens {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly instances: InstanceRepository,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly clock: Clock,
  ) {}

  /** From now on its syncs answer null. Twice does nothing. @throws {IssuerError} NOT_FOUND */
  async revoke(owner: Owner, order: Order): Promise<Standing> {
    const now = this.clock.now();
    return this.database.transaction(async (manager) => {
      const licenseId = await this.licenseOf(manager, owner);
      await this.revocations.lockIssuance(manager);
      if ((await this.revocations.active(manager, owner)) === null) {
        const taken = await this.revocations.revokeTokensOf(manager, owner, now);
        await this.revocations.insert(manager, revocationOf(owner, order, taken, now));
      }
      return this.standing(manager, owner, licenseId);
    });
  }

  /** Syncs get tokens again; those that were revoked stay so. @throws {IssuerError} NOT_FOUND */
  async restore(owner: Owner, { by, reason }: Order): Promise<Standing> {
    const at = this.clock.now();
    return this.database.transaction(async (manager) => {
      const licenseId = await this.licenseOf(manager, owner);
      await this.revocations.restore(manager, owner, { by, reason, at });
      return this.standing(manager, owner, licenseId);
    });
  }

  private async licenseOf(manager: EntityManager, owner: Owner): Promise<string> {
    if ('licenseId' in owner) return (await this.licenses.get(manager, owner.licenseId)).id;
    return (await this.instances.get(manager, owner.instanceId)).licenseId;
  }

  private async standing(
    manager: EntityManager,
    owner: Owner,
    licenseId: string,
  ): Promise<Standing> {
    const instanceId = 'instanceId' in owner ? owner.instanceId : null;
    const ofLicense = await this.revocations.active(manager, { licenseId });
    const ofInstance =
      instanceId === null ? null : await this.revocations.active(manager, { instanceId });
    return {
      licenseId,
      instanceId,
      revocation: await this.revocations.last(manager, owner),
      active: [ofLicense, ofInstance].filter((one) => one !== null),
    };
  }
}
