import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AdminWrites } from '../access-control/admin-writes.js';
import type { LicenseHolder } from '../domain/holder.js';
import { InstanceRepository } from '../instances/instance.repository.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { type RevocationRequest, revocationOf } from './revoke-service-token.js';
import type { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';

/** Whether the tokens of a license or an instance are revoked. */
export interface RevocationStatus {
  readonly licenseId: string;
  /** Null for a license. */
  readonly instanceId: string | null;
  /** The last revocation of these tokens, restored or not; null if there was none. */
  readonly revocation: ServiceTokenRevocationEntity | null;
  /** Why syncs are answered with null now: for an instance also the revocation of its license. */
  readonly active: readonly ServiceTokenRevocationEntity[];
}

/**
 * Revokes all tokens of a license or an instance, and restores them. A revocation is one transaction, in
 * which nobody gets a token: when it has ended, every token that is live was issued after it.
 */
@Injectable()
export class RevokeServiceTokens {
  constructor(
    private readonly licenses: LicenseRepository,
    private readonly instances: InstanceRepository,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly writes: AdminWrites,
  ) {}

  /** Syncs are answered with null from now on. Twice does nothing. @throws {IssuerError} NOT_FOUND */
  async revoke(holder: LicenseHolder, request: RevocationRequest): Promise<RevocationStatus> {
    return this.writes.run(async (manager, now) => {
      const licenseId = await this.licenseOf(manager, holder);
      await this.revocations.lockIssuance(manager);
      if ((await this.revocations.active(manager, holder)) === null) {
        const revoked = await this.revocations.revokeTokensOf(manager, holder, now);
        await this.revocations.insert(manager, revocationOf(holder, request, revoked, now));
      }
      return this.status(manager, holder, licenseId);
    });
  }

  /** Syncs get tokens again; revoked tokens stay revoked. @throws {IssuerError} NOT_FOUND */
  async restore(
    holder: LicenseHolder,
    { by, reason }: RevocationRequest,
  ): Promise<RevocationStatus> {
    return this.writes.run(async (manager, now) => {
      const licenseId = await this.licenseOf(manager, holder);
      await this.revocations.restore(manager, holder, { by, reason, at: now });
      return this.status(manager, holder, licenseId);
    });
  }

  private async licenseOf(manager: EntityManager, holder: LicenseHolder): Promise<string> {
    if ('licenseId' in holder) return (await this.licenses.get(manager, holder.licenseId)).id;
    return (await this.instances.get(manager, holder.instanceId)).licenseId;
  }

  private async status(
    manager: EntityManager,
    holder: LicenseHolder,
    licenseId: string,
  ): Promise<RevocationStatus> {
    const instanceId = 'instanceId' in holder ? holder.instanceId : null;
    const ofLicense = await this.revocations.active(manager, { licenseId });
    const ofInstance =
      instanceId === null ? null : await this.revocations.active(manager, { instanceId });
    return {
      licenseId,
      instanceId,
      revocation: await this.revocations.last(manager, holder),
      active: [ofLicense, ofInstance].filter((one) => one !== null),
    };
  }
}
