import { Injectable } from '@nestjs/common';
import { dayOf } from '../domain/calendar-day.js';
import type { GitlabVersion } from '../domain/gitlab-version.js';
import { denialOf, graceEndsAt, type License, type LicenseDenial } from '../domain/license.js';
import { InstanceRepository, type RegisteredInstance } from '../instances/instance.repository.js';
import {
  licenseKeyDigest,
  looksLikeActivationCode,
  MAX_LICENSE_KEY_LENGTH,
} from '../licenses/license-key.js';
import type { Deadline } from '../database/deadline.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type HeldLicense, HeldLicenses } from './held-license.js';

/** One sync as its instance asked for it, at one instant. */
export interface Sync {
  readonly licenseKey: string;
  readonly gitlabVersion: GitlabVersion;
  /** The UUID that the instance sent; null when it sent none, or something else. */
  readonly instanceId: string | null;
  /** Whether it sent something that is no UUID. */
  readonly instanceIdInvalid: boolean;
  readonly hostName: string | null;
  readonly at: Date;
  readonly deadline: Deadline;
}

const LICENSE_DENIALS: Readonly<Record<LicenseDenial, (license: License) => string>> = {
  LICENSE_NOT_CLOUD: () =>
    'This is a legacy license, which has no cloud services: ask for a cloud license and add it.',
  LICENSE_REVOKED: () => 'This license was revoked: ask whoever sold it for a new one.',
  LICENSE_NOT_STARTED: ({ startsOn }) =>
    `This license starts on ${startsOn} (UTC): sync again from then on.`,
  LICENSE_EXPIRED: (license) =>
    `This license expired on ${license.expiresOn} and its grace ended on ` +
    `${dayOf(graceEndsAt(license))} (UTC): renew it and add the new license.`,
};

/** Decides whether a sync gets anything at all, and for which instance. */
@Injectable()
export class Admission {
  constructor(
    private readonly database: Database,
    private readonly heldLicenses: HeldLicenses,
    private readonly instances: InstanceRepository,
  ) {}

  /**
   * Revoked tokens win over every denial of the license: the instance is to delete what it holds.
   * @throws {IssuerError} the first denial that the key or its license meets
   */
  async admit(sync: Sync): Promise<HeldLicense> {
    const held = await this.look(sync);
    if (!held) throw unknownKey(sync.licenseKey);
    if (this.tokensRevoked(sync, held)) return held;
    const denial = denialOf(held.license, sync.at);
    if (denial !== null) throw new IssuerError(denial, LICENSE_DENIALS[denial](held.license));
    return held;
  }

  /** Whether all tokens of the license, or of the instance that is asking, are revoked. */
  tokensRevoked(sync: Sync, { tokensRevoked }: HeldLicense): boolean {
    // With a header that names none, it is not known which instance is asking.
    return tokensRevoked.ofLicense || (tokensRevoked.ofInstance && !sync.instanceIdInvalid);
  }

  /** The UUID that the token will name. @throws {IssuerError} when it cannot be told */
  identityOf(sync: Sync, held: HeldLicense): string {
    if (sync.instanceIdInvalid) {
      throw new IssuerError(
        'INSTANCE_ID_INVALID',
        'The header X-Gitlab-Instance-Id is no UUID: check that the instance has a UUID in its ' +
          'application settings.',
      );
    }
    const instanceId = sync.instanceId ?? held.instance?.instanceId;
    if (instanceId !== undefined) return instanceId;
    throw new IssuerError(
      'INSTANCE_UNKNOWN',
      'No instance has used this license yet and the request names none: send its UUID in the ' +
        'header X-Gitlab-Instance-Id.',
    );
  }

  /** The row of the instance, made on its first sync. */
  async instanceOf(sync: Sync, held: HeldLicense): Promise<RegisteredInstance> {
    if (held.instance) return held.instance;
    const instanceId = this.identityOf(sync, held);
    return this.instances.register(this.database.pool, held.license.id, instanceId, sync.at);
  }

  private async look(sync: Sync): Promise<HeldLicense | null> {
    if (sync.licenseKey.length > MAX_LICENSE_KEY_LENGTH) return null;
    const digest = licenseKeyDigest(sync.licenseKey);
    return this.heldLicenses.byKeyDigest(digest, sync.instanceId, sync.at, sync.deadline);
  }
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
    'This license key is not registered here: check that the instance uses the license that it ' +
      'was given, and that it asks the right issuer.',
  );
}
