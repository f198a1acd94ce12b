import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  dueStep,
  type KeyPolicy,
  keyPolicyOf,
  type KeyStep,
  keyToAcknowledge,
  maySignFrom,
  type PlannedStep,
  planKeyRotation,
} from '../domain/plan-key-rotation.js';
import { Clock } from '../platform/clock.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { ALL_ACKNOWLEDGED, type NotAcknowledgedBy } from './replica.repository.js';
import { notAcknowledgedByView } from './replica-view.js';
import { Replicas } from './replicas.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRepository } from './signing-key.repository.js';

export type SwitchStep = Extract<KeyStep, { step: 'switch' }>;
export type Wanted = (step: KeyStep) => boolean;

/**
 * Plans the steps of the keys, and finds the due one. A scheduled switch waits until every replica has
 * acknowledged the next key; the old key signs until then. Other steps and revocations do not wait.
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

  of(keys: readonly SigningKeyEntity[]): readonly PlannedStep[] {
    return planKeyRotation(keys, this.policy, this.clock.now());
  }

  /** The first step that is due, `wanted`, and does not wait for a replica. */
  async due(manager: EntityManager, wanted: Wanted): Promise<KeyStep | null> {
    const keys = await this.keys.all(manager);
    const now = this.clock.now();
    const plan = planKeyRotation(keys, this.policy, now).filter(({ step }) => wanted(step));
    const step = dueStep(plan, now);
    if (step === null || (await this.notAcknowledgedBy(manager, step)).total === 0) return step;
    return dueStep(
      plan.filter((other) => other.step !== step),
      now,
    );
  }

  /**
   * The switch that an operator asks for.
   * @throws {IssuerError} ROTATION_TOO_EARLY while validators may not know the next key;
   * KEYS_NOT_ACKNOWLEDGED while a replica has not acknowledged it
   */
  async requestedSwitch(
    manager: EntityManager,
    keys: readonly SigningKeyEntity[],
  ): Promise<SwitchStep> {
    const next = keys.find(({ phase }) => phase === 'next');
    if (!next) throw new Error('there is no next signing key');
    const allowedFrom = maySignFrom(next, this.policy);
    if (this.clock.now() < allowedFrom) throw tooEarly(allowedFrom);
    const current = keys.find(({ phase }) => phase === 'current');
    const step: SwitchStep = { step: 'switch', from: current?.kid ?? null, to: next.kid };
    const missing = await this.notAcknowledgedBy(manager, step);
    if (missing.total > 0) throw keysNotAcknowledged(missing);
    return step;
  }

  private async notAcknowledgedBy(
    manager: EntityManager,
    step: KeyStep,
  ): Promise<NotAcknowledgedBy> {
    const kid = keyToAcknowledge(step);
    if (kid === null) return ALL_ACKNOWLEDGED;
    return this.replicas.notAcknowledgedBy(manager, { kid, published: true });
  }
}

function tooEarly(allowedFrom: Date): IssuerError {
  return new IssuerError(
    'ROTATION_TOO_EARLY',
    `Validators may not know the next key yet: rotate again from ${allowedFrom.toISOString()}.`,
    { members: { allowed_from: allowedFrom.toISOString() } },
  );
}

function keysNotAcknowledged(by: NotAcknowledgedBy): IssuerError {
  const { total, named } = by;
  const names = named.map(({ id, hostName }) => `${id} (${hostName ?? 'host unknown'})`);
  const more = total > named.length ? ` and ${total - named.length} more` : '';
  return new IssuerError(
    'KEYS_NOT_ACKNOWLEDGED',
    `${total} replica(s) do not publish the next key: ${names.join(', ')}${more}. Reconnect each of them ` +
      'to the database, or stop it. Remove a replica that has ended: DELETE /api/v1/replicas/<id>, or ' +
      'npm run keys -- remove-replica <id>. Its validators then need time: see may_sign_from. A replica ' +
      'that is not removed counts for 24 hours after its last acknowledgement.',
    { members: { not_acknowledged_by: notAcknowledgedByView(by) } },
  );
}
