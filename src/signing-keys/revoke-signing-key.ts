import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type KeyOutage,
  type KeyRevocationPlan,
  planKeyRevocation,
} from '../domain/plan-key-revocation.js';
import { type KeyStep, leadSeconds } from '../domain/plan-key-rotation.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { PrepareKeys } from './prepare-keys.js';
import { RotateSigningKeys } from './rotate-signing-keys.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import type { GeneratedKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

export interface KeyRevocationRequest {
  readonly kid: string;
  /** The name of whoever asks. */
  readonly by: string;
  readonly reason: string | null;
  readonly acceptOutage: boolean;
}

export interface PlannedKeyRevocation {
  readonly key: SigningKeyEntity;
  readonly plan: KeyRevocationPlan;
}

export interface KeyRevocation extends PlannedKeyRevocation {
  /** It signs no more, but could not be taken out of the key set yet: the plan of the keys says so. */
  readonly stillPublished: boolean;
}

type Revoke = Extract<KeyRevocationPlan, { outcome: 'revoke' }>;

/**
 * Takes a key out of service at once: the standby signs from then on, the private half is erased, and
 * only then is the key published no longer. Killed in between, the rest is due by the plan of the keys.
 */
@Injectable()
export class RevokeSigningKey {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly prepare: PrepareKeys,
    private readonly rotate: RotateSigningKeys,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** What a revocation would do now; changes nothing. @throws {IssuerError} NOT_FOUND */
  async plan(kid: string, acceptOutage: boolean): Promise<PlannedKeyRevocation> {
    return this.planOn(this.database.manager, kid, acceptOutage);
  }

  /**
   * Twice does nothing.
   * @returns what was done
   * @throws {IssuerError} NOT_FOUND; STANDBY_TOO_YOUNG with `allowed_from` and `outage`
   */
  async revoke(request: KeyRevocationRequest): Promise<KeyRevocation> {
    const tried = await this.tryRevoke(request);
    const done = tried.plan.outcome === 'no-standby' ? await this.withStandby(request) : tried;
    return { ...done, stillPublished: !(await this.dropped(request.kid, done)) };
  }

  /** What fails here makes no failure of what was done: the key is revoked, and the rest is due. */
  private async dropped(kid: string, { plan }: PlannedKeyRevocation): Promise<boolean> {
    try {
      // This step alone: an emergency waits neither for a clock to settle nor for another step that
      // fails, and a clock that may be wrong does not carry out all that seems to be due.
      await this.rotate.carryOutAll((step) => step.step === 'forget' && step.kid === kid);
      return true;
    } catch (error) {
      if (plan.outcome === 'no-standby') throw error;
      this.logger.error(
        { error, kid },
        'a revoked key signs no more, but is still published: that is tried again every ten seconds, ' +
          'and at once when it is revoked again',
      );
      return false;
    }
  }

  private async withStandby(request: KeyRevocationRequest): Promise<PlannedKeyRevocation> {
    await this.rotate.carryOutAll(({ step }) => step === 'publish-next');
    return this.tryRevoke(request);
  }

  private async tryRevoke(request: KeyRevocationRequest): Promise<PlannedKeyRevocation> {
    const planned = await this.plan(request.kid, request.acceptOutage);
    const { key, plan } = planned;
    if (plan.outcome === 'refused') throw standbyTooYoung(plan.allowedFrom, plan.outage);
    if (plan.outcome !== 'revoke') return planned;
    const rows = await this.keys.all(this.database.manager);
    await this.prepare.around(stepFor(key, plan), rows, async ([standby]) => {
      await this.database.transaction(async (manager) => {
        await this.keys.lockPlan(manager);
        const again = await this.planOn(manager, request.kid, request.acceptOutage);
        // Whoever was faster has rotated: what was planned is no longer what would be done.
        if (!sameChange(again, planned)) throw changedMeanwhile();
        await this.apply(manager, planned, request, standby);
      });
    });
    return planned;
  }

  private async planOn(
    manager: EntityManager,
    kid: string,
    acceptOutage: boolean,
  ): Promise<PlannedKeyRevocation> {
    const rows = await this.keys.all(manager);
    const key = rows.find((row) => row.kid === kid);
    if (!key) throw new IssuerError('NOT_FOUND', 'There is no signing key with this kid.');
    const now = this.clock.now();
    return { key, plan: planKeyRevocation(rows, key, this.rotate.policy, now, acceptOutage) };
  }

  private async apply(
    manager: EntityManager,
    { key, plan }: PlannedKeyRevocation,
    { by, reason }: KeyRevocationRequest,
    standby: GeneratedKey | undefined,
  ): Promise<void> {
    if (plan.outcome !== 'revoke') return;
    const now = this.clock.now();
    const revocation = { revokedAt: now, revokedBy: by, revocationReason: reason };
    if (key.phase === 'retired') {
      await this.keys.revokeRetired(manager, key.kid, revocation);
      return;
    }
    await this.keys.retire(manager, key.kid, now, revocation);
    if (plan.switchTo !== null) {
      await this.keys.promote(manager, plan.switchTo, {
        signsFrom: now,
        leadSeconds: leadSeconds(this.rotate.policy),
        outageAccepted: plan.outage !== null,
      });
    }
    if (!standby) throw new Error('a revoked key needs another one to stand by');
    await this.keys.insert(manager, standby, 'next', now);
  }
}

/** The step of a rotation that needs the same to be ready. */
function stepFor(key: SigningKeyEntity, { switchTo }: Revoke): KeyStep {
  if (key.phase === 'retired') return { step: 'forget', kid: key.kid };
  if (switchTo === null) return { step: 'publish-next' };
  return { step: 'switch', from: key.kid, to: switchTo };
}

function sameChange(one: PlannedKeyRevocation, other: PlannedKeyRevocation): boolean {
  return (
    one.key.phase === other.key.phase && JSON.stringify(one.plan) === JSON.stringify(other.plan)
  );
}

function changedMeanwhile(): IssuerError {
  return new IssuerError(
    'PRECONDITION_FAILED',
    'The signing keys changed at the same moment: look at them, and ask again.',
  );
}

function standbyTooYoung(allowedFrom: Date, outage: KeyOutage): IssuerError {
  const until = outage.until.toISOString();
  return new IssuerError(
    'STANDBY_TOO_YOUNG',
    'Validators may not know the key that stands by yet. Wait, or send accept_outage: true: then ' +
      `validators that fetched the keys before ${outage.standbyPublishedAt.toISOString()} refuse ` +
      `every new token until they fetch them again, ${until} at the latest, or are restarted.`,
    {
      members: {
        allowed_from: allowedFrom.toISOString(),
        outage: {
          standby_published_at: outage.standbyPublishedAt.toISOString(),
          until,
        },
      },
    },
  );
}
