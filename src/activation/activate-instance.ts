import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { denialOf } from '../domain/license.js';
import { isUuid } from '../domain/uuid.js';
import { InstanceRepository, type ReportedInstance } from '../instances/instance.repository.js';
import type { LicenseEntity } from '../licenses/license.entity.js';
import { LicenseKeys } from '../licenses/license-keys.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { activationCodeDigest } from './activation-code.js';
import {
  type ActivationCode,
  ActivationCodeRepository,
  revokedCode,
} from './activation-code.repository.js';
import { CustomerLicenses } from './customer-licenses.js';

export interface Activation {
  readonly activationCode: string;
  /** The instance UUID. */
  readonly instanceId: string;
  readonly automated: boolean;
  readonly reported: ReportedInstance;
}

export interface ActivatedLicense {
  readonly licenseKey: string;
  readonly futureLicenses: readonly LicenseEntity[];
  readonly isFirstOfCustomer: boolean;
}

/** Exchanges an activation code for the license that it stands for. */
@Injectable()
export class ActivateInstance {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly licenseKeys: LicenseKeys,
    private readonly instances: InstanceRepository,
    private readonly codes: ActivationCodeRepository,
    private readonly customerLicenses: CustomerLicenses,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * One transaction: a code that is refused leaves nothing behind, and a guess does not get that far.
   * The same instance again gets the same answer, however often the code may be used.
   * @throws {IssuerError} INSTANCE_ID_INVALID, ACTIVATION_CODE_UNKNOWN, ACTIVATION_CODE_REVOKED,
   * ACTIVATION_CODE_EXPIRED, ACTIVATION_CODE_USED_UP, LICENSE_NOT_CLOUD, LICENSE_REVOKED,
   * LICENSE_EXPIRED
   */
  async activate(activation: Activation): Promise<ActivatedLicense> {
    if (!isUuid(activation.instanceId)) {
      throw new IssuerError('INSTANCE_ID_INVALID', 'instanceIdentifier must be the instance UUID.');
    }
    const now = this.clock.now();
    const digest = activationCodeDigest(activation.activationCode);
    // The connections of the admin side are few, and anybody may guess.
    if (!(await this.codes.isKnown(this.database.prepared, digest))) throw unknownCode();
    const { licenseId, ...activated } = await this.database.transaction(async (manager) => {
      const code = await this.codes.byDigest(manager, digest);
      if (code === null) throw unknownCode();
      const answer = await this.activateWith(manager, code, activation, now);
      return { ...answer, licenseId: code.licenseId };
    });
    this.logger.info({ licenseId }, 'an instance was activated');
    return activated;
  }

  /** What it reads comes first: from `meet` on the row of the instance is held. */
  private async activateWith(
    manager: EntityManager,
    code: ActivationCode,
    { instanceId, reported, automated }: Activation,
    now: Date,
  ): Promise<ActivatedLicense> {
    const license = await this.licenses.get(manager, code.licenseId);
    requireActivatable(license, now);
    const activated = {
      licenseKey: await this.licenseKeys.open(manager, license.id),
      futureLicenses: await this.customerLicenses.future(manager, license, now),
      isFirstOfCustomer: await this.customerLicenses.isFirst(manager, license),
    };
    const instance = await this.instances.meet(manager, license.id, instanceId, reported, now);
    if (!(await this.codes.hasActivated(manager, code.id, instance.id))) requireUsable(code, now);
    if (code.revokedAt !== null) throw revokedCode();
    await this.codes.use(manager, code.id, instance.id, automated, now);
    return activated;
  }
}

/** A license that is still to start may be activated: the instance keeps it until then. */
function requireActivatable(license: LicenseEntity, now: Date): void {
  const denial = denialOf(license, now);
  if (denial === null || denial === 'LICENSE_NOT_STARTED') return;
  throw new IssuerError(
    denial,
    'The license of this activation code is revoked, expired or no cloud license: ask whoever ' +
      'sold it for another.',
  );
}

function requireUsable({ expiresAt }: ActivationCode, now: Date): void {
  if (expiresAt === null || now < expiresAt) return;
  throw new IssuerError(
    'ACTIVATION_CODE_EXPIRED',
    `This activation code expired on ${expiresAt.toISOString()}: ask for another.`,
  );
}

function unknownCode(): IssuerError {
  return new IssuerError(
    'ACTIVATION_CODE_UNKNOWN',
    'This activation code is not registered here: check it for typing errors, and that the ' +
      'instance asks the right issuer.',
  );
}
