import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  dueStep,
  keyToAcknowledge,
  type KeyPolicy,
  type KeyStep,
  maySignFrom,
  type PlannedStep,
  planKeyRotation,
} from '../domain/plan-key-rotation.js';
import { Clock } from '../platform/clock.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { keyPolicyOf } from './key-policy.js';
import type { ReplicasBehind } from './replica.repository.js';
import { Replicas } from './replicas.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRepository } from './signing-key.repository.js';

export type SwitchStep = Extract<KeyStep, { step: 'switch' }>;
export type Wanted = (step: KeyStep) => boolean;

/**
 * Plans the steps of the keys, and says which one is due. A planned switch waits until every replica
 * publishes the key that is to sign; meanwhile the old key goes on signing. Nothing else waits, least of
 * all a revocation.
 */
@Injectable()
export class KeyPlan {
  readonly policy: KeyPolicy;

  constructor(
    private readonly keys: SigningKeyRepository,
    private readonly replicas: Replicas,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.policy = keyPolicyOf(config);
  }

  /** Every step that is due or to come. */
  of(keys: readonly SigningKeyEntity[]): readonly PlannedStep[] {
    return planKeyRotation(keys, this.policy, this.clock.now());
  }

  /** The first step that is due, `wanted`, and waits for no replica. */
  async due(manager: EntityManager, wanted: Wanted): Promise<KeyStep | null> {
    const keys = await this.keys.all(manager);
    const now = this.clock.now();
    const plan = planKeyRotation(keys, this.policy, now).filter(({ step }) => wanted(step));
    const step = dueStep(plan, now);
    if (step === null || !(await this.mustWait(manager, step))) return step;
    return dueStep(
      plan.filter((other) => other.step !== step),
      now,
    );
  }

  /**
   * The switch that an operator asks for.
   * @throws {IssuerError} ROTATION_TOO_EARLY with `allowed_from`, while validators may not know the
   * standby; REPLICAS_BEHIND with `replicas`, while some replica does not publish it
   */
  async switchAsked(
    manager: EntityManager,
    keys: readonly SigningKeyEntity[],
  ): Promise<SwitchStep> {
    const next = keys.find(({ phase }) => phase === 'next');
    if (!next) throw new Error('no signing key stands by');
    const allowedFrom = maySignFrom(next, this.policy);
    if (this.clock.now() < allowedFrom) throw tooEarly(allowedFrom);
    const current = keys.find(({ phase }) => phase === 'current');
    const step: SwitchStep = { step: 'switch', from: current?.kid ?? null, to: next.kid };
    const behind = await this.replicas.behind(manager, { kid: next.kid, published: true });
    if (keyToAcknowledge(step) !== null && behind.total > 0) throw replicasBehind(behind);
    return step;
  }

  private async mustWait(manager: EntityManager, step: KeyStep): Promise<boolean> {
    const kid = keyToAcknowledge(step);
    if (kid === null) return false;
    return (await this.replicas.behind(manager, { kid, published: true })).total > 0;
  }
}

function tooEarly(allowedFrom: Date): IssuerError {
  return new IssuerError(
    'ROTATION_TOO_EARLY',
    `Validators may not know the key that stands by yet: rotate again from ${allowedFrom.toISOString()}.`,
    { members: { allowed_from: allowedFrom.toISOString() } },
  );
}

function replicasBehind({ total, named }: ReplicasBehind): IssuerError {
  const names = named.map(({ id, hostName }) => `${id} (${hostName ?? 'host unknown'})`);
  const more = total > named.length ? ` and ${total - named.length} more` : '';
  return new IssuerError(
    'REPLICAS_BEHIND',
    `${total} replica(s) do not publish the key that stands by: ${names.join(', ')}${more}. Let each ` +
      'of them reach the database again, or stop it. If it has ended, strike it out: ' +
      'DELETE /api/v1/replicas/<id>, or npm run keys -- strike-out <id>. Its validators need time from ' +
      'then on: see may_sign_from. Without that it counts until 24 hours after it was last heard of.',
    {
      members: {
        replicas_behind: total,
        replicas: named.map(({ id, hostName, processId, seenAt }) => ({
          id,
          host_name: hostName,
          process_id: processId,
          seen_at: seenAt.toISOString(),
        })),
      },
    },
  );
}
