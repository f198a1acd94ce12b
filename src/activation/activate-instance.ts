import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Database } from '../database/database.js';
import { isUuid } from '../domain/uuid.js';
import { InstanceRepository, type ReportedInstance } from '../instances/instance.repository.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { IssuerError } from '../platform/issuer-error.js';
import { activationCodeDigest } from './activation-code.js';
import {
  type ActivationCode,
  ActivationCodeRepository,
  revokedCode,
} from './activation-code.repository.js';
import { type HandedOutLicense, HandOutLicense } from './hand-out-license.js';

export interface ActivationRequest {
  readonly activationCode: string;
  /** The instance UUID. */
  readonly instanceId: string;
  readonly automated: boolean;
  readonly reported: ReportedInstance;
  readonly at: Date;
}

/** Exchanges an activation code for its license. */
@Injectable()
export class ActivateInstance {
  constructor(
    private readonly database: Database,
    private readonly codes: ActivationCodeRepository,
    private readonly licenses: LicenseRepository,
    private readonly handOut: HandOutLicense,
    private readonly instances: InstanceRepository,
  ) {}

  /**
   * The same instance gets the same answer again, however often the code may be used.
   * @throws {IssuerError} INSTANCE_ID_INVALID, ACTIVATION_CODE_UNKNOWN, ACTIVATION_CODE_REVOKED,
   * ACTIVATION_CODE_EXPIRED, ACTIVATION_CODE_USED_UP, LICENSE_NOT_CLOUD, LICENSE_REVOKED,
   * LICENSE_EXPIRED
   */
  async activate(request: ActivationRequest): Promise<HandedOutLicense> {
    if (!isUuid(request.instanceId)) {
      throw new IssuerError('INSTANCE_ID_INVALID', 'instanceIdentifier must be the instance UUID.');
    }
    const digest = activationCodeDigest(request.activationCode);
    // Guesses take no connection of the admin side: it has few.
    if (!(await this.codes.isKnown(this.database.prepared, digest))) throw unknownCode();
    // One transaction: a refused code leaves nothing behind.
    return this.database.transaction(async (manager) => {
      const code = await this.codes.byDigest(manager, digest);
      if (code === null) throw unknownCode();
      try {
        return await this.activateWith(manager, code, request);
      } catch (error) {
        if (error instanceof IssuerError) error.licenseId ??= code.licenseId;
        throw error;
      }
    });
  }

  /** Reads first: from `meet` on, the row of the instance is locked. */
  private async activateWith(
    manager: EntityManager,
    code: ActivationCode,
    { instanceId, reported, automated, at }: ActivationRequest,
  ): Promise<HandedOutLicense> {
    const license = await this.licenses.get(manager, code.licenseId);
    const handedOut = await this.handOut.forActivation(manager, license, at);
    const instance = await this.instances.meet(manager, license.id, instanceId, reported, at);
    if (!(await this.codes.hasActivated(manager, code.id, instance.id))) requireUnexpired(code, at);
    if (code.revokedAt !== null) throw revokedCode();
    await this.codes.use(manager, code.id, instance.id, automated, at);
    return handedOut;
  }
}

function requireUnexpired({ expiresAt }: ActivationCode, at: Date): void {
  if (expiresAt === null || at < expiresAt) return;
  throw new IssuerError(
    'ACTIVATION_CODE_EXPIRED',
    `This activation code expired on ${expiresAt.toISOString()}: ask for another code.`,
  );
}

function unknownCode(): IssuerError {
  return new IssuerError(
    'ACTIVATION_CODE_UNKNOWN',
    'This activation code is not registered here: check it for typing errors, and that the ' +
      'instance asks the right issuer.',
  );
}
