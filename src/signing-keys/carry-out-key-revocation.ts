import { Injectable } from '@nestjs/common';
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
import { PrepareKeys } from './prepare-keys.js';
import { RotateSigningKeys } from './rotate-signing-keys.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import type { GeneratedKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

export interface KeyRevocationRequest {
  readonly kid: string;
  /** The name of the caller. */
  readonly by: string;
  readonly reason: string | null;
  readonly acceptOutage: boolean;
}

export interface PlannedKeyRevocation {
  readonly key: SigningKeyEntity;
  readonly plan: KeyRevocationPlan;
}

type Revoke = Extract<KeyRevocationPlan, { outcome: 'revoke' }>;

/**
 * Revokes a key at once: the next key signs, the private half is erased, and then the key is unpublished.
 * After a crash in between, the schedule does the rest.
 */
@Injectable()
export class CarryOutKeyRevocation {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly prepare: PrepareKeys,
    private readonly rotate: RotateSigningKeys,
    private readonly clock: Clock,
  ) {}

  /** Changes nothing. @throws {IssuerError} NOT_FOUND */
  async plan(kid: string, acceptOutage: boolean): Promise<PlannedKeyRevocation> {
    return this.planOn(this.database.manager, kid, acceptOutage);
  }

  /**
   * Makes the key stop signing. The second call does nothing.
   * @throws {IssuerError} NOT_FOUND; NEXT_KEY_TOO_YOUNG with `allowed_from` and `outage`
   */
  async stopSigning(request: KeyRevocationRequest): Promise<PlannedKeyRevocation> {
    const planned = await this.tryRevoke(request);
    if (planned.plan.outcome !== 'no_next_key') return planned;
    await this.rotate.carryOutAll(({ step }) => step === 'publish_next');
    return this.tryRevoke(request);
  }

  /** Takes this step alone: the clock may be wrong, and other steps may fail. */
  async unpublish(kid: string): Promise<void> {
    await this.rotate.carryOutAll((step) => step.step === 'unpublish' && step.kid === kid);
  }

  private async tryRevoke(request: KeyRevocationRequest): Promise<PlannedKeyRevocation> {
    const planned = await this.plan(request.kid, request.acceptOutage);
    const { key, plan } = planned;
    if (plan.outcome === 'refused') throw nextKeyTooYoung(plan.allowedFrom, plan.outage);
    if (plan.outcome !== 'revoke') return planned;
    const rows = await this.keys.all(this.database.manager);
    await this.prepare.around(stepFor(key, plan), rows, async ([newKey]) => {
      await this.database.transaction(async (manager) => {
        await this.keys.lockPlan(manager);
        const again = await this.planOn(manager, request.kid, request.acceptOutage);
        // Another replica may have changed the keys meanwhile.
        if (!sameChange(again, planned)) throw changedMeanwhile();
        await this.apply(manager, planned, request, newKey);
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
    newKey: GeneratedKey | undefined,
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
    if (!newKey) throw new Error('the revocation of this key needs a new next key');
    await this.keys.insert(manager, newKey, 'next', now);
  }
}

/** The step of a rotation that needs the same preparation. */
function stepFor(key: SigningKeyEntity, { switchTo }: Revoke): KeyStep {
  if (key.phase === 'retired') return { step: 'unpublish', kid: key.kid };
  if (switchTo === null) return { step: 'publish_next' };
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
    'The signing keys have changed in the meantime: look at them, and send the request again.',
  );
}

function nextKeyTooYoung(allowedFrom: Date, outage: KeyOutage): IssuerError {
  const publishedAt = outage.nextPublishedAt.toISOString();
  const until = outage.until.toISOString();
  return new IssuerError(
    'NEXT_KEY_TOO_YOUNG',
    'Validators may not know the next key yet. Wait, or send accept_outage: true. Then validators that ' +
      `fetched the keys before ${publishedAt} refuse every new token until they fetch the keys again, ` +
      `${until} at the latest, or are restarted.`,
    {
      members: {
        allowed_from: allowedFrom.toISOString(),
        outage: { next_published_at: publishedAt, until },
      },
    },
  );
}
