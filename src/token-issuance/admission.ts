import { Injectable } from '@nestjs/common';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import type { GitlabVersion } from '../domain/gitlab-version.js';
import { denialOf, type License, type LicenseDenial } from '../domain/license.js';
import { renewalInSight } from '../domain/renewal.js';
import type { RegisteredInstance } from '../instances/instance.repository.js';
import {
  licenseKeyDigest,
  looksLikeActivationCode,
  MAX_LICENSE_KEY_LENGTH,
} from '../licenses/license-key.js';
import { deniedLicense, namesRenewal } from '../licenses/denied-license.js';
import { RenewalRepository } from '../licenses/renewal.repository.js';
import { Database } from '../database/database.js';
import type { Deadline } from '../database/deadline.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type FoundLicense, LicenseLookUp } from './license-look-up.js';

/** A sync as its instance sent it. */
export interface Sync {
  readonly licenseKey: string;
  readonly gitlabVersion: GitlabVersion;
  /** The UUID that the instance sent; null when it sent none, or an invalid one. */
  readonly instanceId: string | null;
  /** Whether it sent something that is not a UUID. */
  readonly instanceIdInvalid: boolean;
  readonly hostName: string | null;
  readonly at: Date;
  readonly deadline: Deadline;
}

/** A sync whose license lets it through, with everything that was looked up for it. */
export interface AdmittedSync {
  readonly sync: Sync;
  readonly license: License;
  /** The purchases that are active at `sync.at`. */
  readonly purchases: readonly AddOnPurchase[];
  /** Null before the first sync of the instance, and when the sync does not say which instance it is. */
  readonly instance: RegisteredInstance | null;
  /** The UUID that the token will name; null when the sync does not say which instance it is. */
  readonly instanceId: string | null;
  /** Whether it names none and several use the license. */
  readonly isAmbiguous: boolean;
  /** Whether all tokens of the license, or of this instance, are revoked. */
  readonly tokensRevoked: boolean;
  /** Whether the key is a previous one of the license, in its grace. */
  readonly byPreviousKey: boolean;
}

/** Decides whether a sync gets anything at all. */
@Injectable()
export class Admission {
  constructor(
    private readonly lookUp: LicenseLookUp,
    private readonly database: Database,
    private readonly renewals: RenewalRepository,
  ) {}

  /**
   * Revoked tokens come before every denial of the license: the instance is to delete its tokens.
   * @throws {IssuerError} the first denial that the key or its license meets
   */
  async admit(sync: Sync): Promise<AdmittedSync> {
    const found = await this.find(sync);
    if (!found) throw unknownKey(sync.licenseKey);
    const { license, purchases, byPreviousKey, isAmbiguous } = found;
    // Where it is not known which instance it is, nothing about an instance counts.
    const instance = sync.instanceIdInvalid || isAmbiguous ? null : found.instance;
    const instanceId = sync.instanceId ?? instance?.instanceUuid ?? null;
    const tokensRevoked =
      found.tokensRevoked.ofLicense || (found.tokensRevoked.ofInstance && instance !== null);
    const denial = denialOf(license, sync.at);
    if (denial !== null && !tokensRevoked) throw await this.denied(denial, license, sync);
    return {
      sync,
      license,
      purchases,
      instance,
      instanceId,
      isAmbiguous,
      tokensRevoked,
      byPreviousKey,
    };
  }

  private async denied(
    denial: LicenseDenial,
    license: License,
    { at, deadline }: Sync,
  ): Promise<IssuerError> {
    if (!namesRenewal(denial)) return deniedLicense(denial, license, null);
    const line = this.renewals.ofDenied(this.database.prepared, license.id);
    return deniedLicense(denial, license, renewalInSight(await deadline.holds(line), at));
  }

  private async find({ licenseKey, instanceId, at, deadline }: Sync): Promise<FoundLicense | null> {
    if (licenseKey.length > MAX_LICENSE_KEY_LENGTH) return null;
    return this.lookUp.byKeyDigest(licenseKeyDigest(licenseKey), instanceId, at, deadline);
  }
}

/**
 * The UUID that the token will name.
 * @throws {IssuerError} INSTANCE_ID_INVALID, INSTANCE_UNKNOWN, INSTANCE_AMBIGUOUS
 */
export function requireInstanceId({ sync, instanceId, isAmbiguous }: AdmittedSync): string {
  if (instanceId !== null) return instanceId;
  if (sync.instanceIdInvalid) {
    throw new IssuerError(
      'INSTANCE_ID_INVALID',
      'The header X-Gitlab-Instance-Id is not a UUID: check that the instance has a UUID in its ' +
        'application settings.',
    );
  }
  if (isAmbiguous) {
    throw new IssuerError(
      'INSTANCE_AMBIGUOUS',
      'Several instances have used this license in the last 14 days and the request names none: send ' +
        'the UUID of the instance in the header X-Gitlab-Instance-Id (newer GitLab versions do), or ' +
        'give each instance a license of its own.',
    );
  }
  throw new IssuerError(
    'INSTANCE_UNKNOWN',
    'No instance has used this license yet and the request names none: send its UUID in the ' +
      'header X-Gitlab-Instance-Id.',
  );
}

function unknownKey(licenseKey: string): IssuerError {
  if (licenseKey.length <= MAX_LICENSE_KEY_LENGTH && looksLikeActivationCode(licenseKey)) {
    return new IssuerError(
      'ACTIVATION_CODE_GIVEN',
      'This is an activation code, not a license key: activate the instance with it first.',
    );
  }
  return new IssuerError(
    'LICENSE_NOT_FOUND',
    'This license key is not registered here: check that the instance uses its own license, and ' +
      'that it asks the right issuer.',
  );
}
