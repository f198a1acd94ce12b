import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { draftToken } from '../domain/draft-token.js';
import type { License } from '../domain/license.js';
import type { Resolution } from '../domain/scope-decision.js';
import type { TokenIdentity } from '../domain/service-token-claims.js';
import { Entitlements } from '../entitlements/entitlements.js';
import { InstanceRepository, type RegisteredInstance } from '../instances/instance.repository.js';
import { TokensRevokedError } from '../ledger/issuance-ledger.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type AdmittedSync, requireInstanceId } from './admission.js';
import { IssuancePolicy } from './issuance-policy.js';
import { SignAndRecord, type SignedToken } from './sign-and-record.js';

/** The use case that this service exists for. */
@Injectable()
export class IssueServiceToken {
  constructor(
    private readonly entitlements: Entitlements,
    private readonly database: Database,
    private readonly instances: InstanceRepository,
    private readonly policy: IssuancePolicy,
    private readonly signAndRecord: SignAndRecord,
  ) {}

  /**
   * A fresh token, whose row is in the ledger already. Null only when an admin has revoked the tokens of
   * the license or the instance: the instance then deletes all its tokens, so no failure may become null.
   * @throws {IssuerError} INSTANCE_ID_INVALID, INSTANCE_UNKNOWN, INSTANCE_AMBIGUOUS, NOTHING_TO_GRANT,
   * UNAVAILABLE
   */
  async issue(admitted: AdmittedSync): Promise<SignedToken | null> {
    if (admitted.tokensRevoked) return null;
    const { sync, license } = admitted;
    const { policy } = this;
    const instanceId = requireInstanceId(admitted);
    const resolution = this.resolve(admitted);

    const instance = admitted.instance ?? (await this.register(license, instanceId, sync.at));
    const instanceUid = instance.uniqueInstanceId ?? instance.id;
    const facts = { license, instanceId, instanceUid, resolution, policy, now: sync.at };
    const record = {
      licenseId: license.id,
      instanceRowId: instance.id,
      resolution,
      gitlabVersion: sync.gitlabVersion.text,
      hostName: sync.hostName,
      issuedAt: sync.at,
      selfIssued: null,
    };
    const draft = (identity: TokenIdentity) => draftToken({ ...facts, ...identity });
    try {
      return await this.signAndRecord.issue({ draft, record, deadline: sync.deadline });
    } catch (error) {
      // A revocation came between the look-up and the ledger.
      if (error instanceof TokensRevokedError) return null;
      throw error;
    }
  }

  private resolve({ sync, license, purchases }: AdmittedSync): Resolution {
    const resolution = this.entitlements.resolve(license, purchases, sync.gitlabVersion, sync.at);
    if (resolution.scopes.length > 0) return resolution;
    throw new IssuerError(
      'NOTHING_TO_GRANT',
      purchases.length === 0
        ? 'This license has no active add-on purchase: buy an add-on, then sync again.'
        : 'No add-on of this license grants anything to this version of GitLab: upgrade GitLab, or ' +
            'ask the admin of the issuer for the entitlements of the license, which give the reasons.',
    );
  }

  /** Makes the row of the instance, on its first sync. */
  private async register(
    license: License,
    instanceId: string,
    now: Date,
  ): Promise<RegisteredInstance> {
    return this.instances.register(this.database.pool, license.id, instanceId, now);
  }
}
