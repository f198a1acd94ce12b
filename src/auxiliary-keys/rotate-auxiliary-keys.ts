import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  dueStep,
  type KeyPolicy,
  keyPolicyOf,
  type KeyStep,
  type PlannedStep,
  planKeyRotation,
} from '../domain/plan-key-rotation.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import type { AuxiliaryKeyEntity } from './auxiliary-key.entity.js';
import { generateAuxiliaryKey } from './auxiliary-key.js';
import { AuxiliaryKeyRepository } from './auxiliary-key.repository.js';

export const ROTATE_AUXILIARY_KEYS_EVERY_MS = 10_000;

/** Rotates by the plan of the signing keys, except that these keys are never unpublished. */
@Injectable()
export class RotateAuxiliaryKeys {
  private readonly policy: KeyPolicy;

  constructor(
    private readonly database: Database,
    private readonly keys: AuxiliaryKeyRepository,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.policy = keyPolicyOf(config);
  }

  /** When the published keys change next; null before the keys were read. */
  nextChangeAt(rows: readonly AuxiliaryKeyEntity[], now: Date): Date | null {
    return rows.length === 0 ? null : (this.plan(rows, now)[0]?.dueAt ?? null);
  }

  /**
   * Takes every due step, on any number of replicas at once. Such a key is made quickly, so the whole step
   * is one transaction under the lock.
   * @returns the steps that this replica took
   */
  async carryOutDue(): Promise<readonly KeyStep[]> {
    const done: KeyStep[] = [];
    while (this.due(await this.keys.all(this.database.manager))) {
      const step = await this.database.transaction(async (manager) => {
        await this.keys.lockPlan(manager);
        const rows = await this.keys.all(manager);
        const due = this.due(rows);
        if (due) await this.carryOut(manager, due, rows);
        return due;
      });
      if (step) done.push(step);
    }
    return done;
  }

  private async carryOut(
    manager: EntityManager,
    step: KeyStep,
    rows: readonly AuxiliaryKeyEntity[],
  ): Promise<void> {
    const now = this.clock.now();
    // A replica that cannot open the existing keys must not change them.
    for (const row of rows) if (row.phase !== 'retired') this.keys.open(row);
    if (step.step === 'publish_first') {
      await this.keys.insert(manager, await generateAuxiliaryKey(), 'current', now);
    }
    if (step.step === 'switch') {
      if (step.from !== null) await this.keys.retire(manager, step.from, now);
      await this.keys.promote(manager, step.to, now);
    }
    await this.keys.insert(manager, await generateAuxiliaryKey(), 'next', now);
  }

  private due(rows: readonly AuxiliaryKeyEntity[]): KeyStep | null {
    const now = this.clock.now();
    return dueStep(this.plan(rows, now), now);
  }

  private plan(rows: readonly AuxiliaryKeyEntity[], now: Date): readonly PlannedStep[] {
    const inUse = rows.filter(({ phase }) => phase !== 'retired');
    return planKeyRotation(inUse, this.policy, now);
  }
}
